/**
 * What `memory-store.ts` is in bundles for browsers and workerd (`browser` in package.json): without workers in the same process, a
 * store in its memory serves nobody.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";

/** Refuses as the store itself refuses a bus of another kind. */
export const MemoryStore: { over(): never } = {
  over() {
    throw new ConnectError("Cannot keep queues: the broker stores nothing, enable JetStream", Code.FailedPrecondition);
  },
};
