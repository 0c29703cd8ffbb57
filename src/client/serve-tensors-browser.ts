/**
 * What `serve-tensors.ts` is in bundles for browsers and workerd (`browser` in package.json): they have no use for a store and a
 * server, which nobody could reach.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { ServedTensors } from "./serve-tensors.ts";

/**
 * Refuses.
 *
 * @throws {ConnectError} `unimplemented`
 */
export function serveTensors(): Promise<ServedTensors> {
  return Promise.reject(
    new ConnectError(
      "Cannot serve tensors: this bundle was made for browsers, whose clients upload to a node instead with client.put()",
      Code.Unimplemented,
    ),
  );
}
