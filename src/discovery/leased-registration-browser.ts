/**
 * What `leased-registration.ts` is in bundles for browsers and workerd (`browser` in package.json): nothing there serves operators, and
 * so there is nothing to register.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";

/** As in `leased-registration.ts`. */
export const CLOSED_MARK_MS: number = 60_000;

/** Refuses to be made. */
export class LeasedRegistration {
  /** @throws {ConnectError} `unimplemented` */
  constructor() {
    throw new ConnectError("Cannot register an instance: this bundle was made for browsers", Code.Unimplemented);
  }
}
