import { Code } from "@connectrpc/connect";
import { callIdOf, callOptionsOf } from "../../client/to-node/headers.ts";
import { fault } from "../../rpc/error.ts";

/** Calls that are remembered; the first leaves first. */
const MAX_CALLS = 65_536;

/**
 * Browsers send a request again, a POST too, when the connection that they had kept breaks before an answer begins: the operator
 * would run twice, and nobody would know. What is not idempotent is therefore taken once.
 */
export class SentAgain {
  readonly #calls = new Set<string>();

  /**
   * Notes a call.
   *
   * @throws {ConnectError} `unavailable` with reason `OUTCOME_UNKNOWN` for one that came before
   */
  admit(headers: Headers): void {
    const id = callIdOf(headers);
    if (id === undefined || callOptionsOf(headers).idempotent === true) return;
    if (this.#calls.has(id)) {
      const text = "Cannot call an operator: the connection broke and its request was sent again, its outcome is unknown";
      throw fault(text, Code.Unavailable, { reason: "OUTCOME_UNKNOWN" });
    }
    this.#calls.add(id);
    if (this.#calls.size <= MAX_CALLS) return;
    for (const oldest of this.#calls) return void this.#calls.delete(oldest);
  }
}
