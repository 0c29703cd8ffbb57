import type { ServedOperator } from "../../gen/waybill/v1/discovery_pb.ts";
import type { Discovery } from "../discovery/discovery.ts";

/** A listing serves lookups for this long; what it lacks is looked for in a newer one at once. */
const FRESH_MS = 1_000;
const TIMEOUT_MS = 1_000;

/** By operator: what instances say of it. */
type Served = ReadonlyMap<string, readonly ServedOperator[]>;

/**
 * What instances serve, listed once for all lookups that come together: discovery has no index of operators, and a client of a
 * thousand of them would read every instance's record a thousand times.
 */
export class Listing {
  readonly #discovery: Discovery;
  #latest: { readonly at: number; readonly served: Promise<Served> } | undefined;

  constructor(discovery: Discovery) {
    this.#discovery = discovery;
  }

  /** What instances say of an operator; nothing for one that none serves. Rejects as discovery does. */
  async of(operator: string): Promise<readonly ServedOperator[]> {
    const known = this.#latest;
    if (known !== undefined && performance.now() - known.at < FRESH_MS) {
      const served = (await known.served).get(operator);
      if (served !== undefined) return served;
    }
    // All that miss something in the same listing share the next one.
    const newer = this.#latest === known ? undefined : this.#latest;
    const { served } = newer ?? (this.#latest = { at: performance.now(), served: this.#list() });
    return (await served).get(operator) ?? [];
  }

  async #list(): Promise<Served> {
    try {
      const served = new Map<string, ServedOperator[]>();
      for (const { operators } of await this.#discovery.instances({}, { timeoutMs: TIMEOUT_MS })) {
        for (const operator of operators) {
          const others = served.get(operator.name);
          if (others === undefined) served.set(operator.name, [operator]);
          else others.push(operator);
        }
      }
      return served;
    } catch (error) {
      this.#latest = undefined;
      throw error;
    }
  }
}
