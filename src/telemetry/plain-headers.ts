/**
 * Headers as a list of pairs, with names in lower case and values of printable ASCII: what is made and read here on the path of every
 * traced call, where `Headers` would cost more than all the rest. It can be given wherever headers can.
 */
export class PlainHeaders extends Array<[name: string, value: string]> {
  /** A header's value; `undefined` where there is none. */
  value(name: string): string | undefined {
    for (const [own, value] of this) if (own === name) return value;
    return undefined;
  }
}
