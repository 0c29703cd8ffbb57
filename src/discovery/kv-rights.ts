import { kvNames } from "./kv-names.ts";

/** What a user may do with a namespace's discovery; each includes the one before. */
export type DiscoveryRight = "read" | "watch" | "write";

/**
 * The subjects that a user of the broker must be permitted to publish to, beside an inbox to subscribe to.
 *
 * - `read`: declarations and instances; watches work by reading everything again and again.
 * - `watch`: watches without delay. Such a user can make the broker send discovery's records to any subject.
 * - `write`: declare, register, make the bucket.
 *
 * @throws {ConnectError} `invalid_argument` when `namespace` is none
 */
export function discoveryRights(namespace: string, right: DiscoveryRight): string[] {
  const { stream, prefix } = kvNames(namespace);
  // With the information on the stream, a reader can tell "no bucket" from "no answer".
  const read = [`$JS.API.DIRECT.GET.${stream}`, `$JS.API.DIRECT.GET.${stream}.>`, `$JS.API.STREAM.INFO.${stream}`];
  const watch = [`$JS.API.CONSUMER.CREATE.${stream}.>`, `$JS.FC.${stream}.>`];
  const write = [`$JS.API.STREAM.CREATE.${stream}`, `${prefix}>`];
  return [...read, ...(right === "read" ? [] : watch), ...(right === "write" ? write : [])];
}
