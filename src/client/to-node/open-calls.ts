import { Code, ConnectError } from "@connectrpc/connect";
import { abortError } from "../../rpc/error.ts";

/** A call under way. */
export interface OpenCall {
  /** Fires when the caller's own signal does, and when the client is closed. */
  readonly signal: AbortSignal;
  /** Ends the call: nobody wants its answer any more. */
  cancel(): void;
  /** The call has ended. */
  end(): void;
}

/** Calls under way, so that a client that is closed ends them. */
export class OpenCalls {
  readonly #open = new Set<AbortController>();
  #closed = false;

  /**
   * Begins a call.
   *
   * @throws {ConnectError} what its signal says when it has fired, `unavailable` after {@linkcode close}
   */
  begin(signal: AbortSignal | undefined): OpenCall {
    if (signal?.aborted) throw abortError(signal);
    if (this.#closed) throw new ConnectError("Cannot call: the client is closed", Code.Unavailable);
    const controller = new AbortController();
    this.#open.add(controller);
    const onAbort = () => controller.abort(abortError(signal as AbortSignal));
    signal?.addEventListener("abort", onAbort, { once: true });
    return {
      signal: controller.signal,
      cancel: () => controller.abort(new ConnectError("The call was canceled by its caller", Code.Canceled)),
      end: () => {
        signal?.removeEventListener("abort", onAbort);
        this.#open.delete(controller);
      },
    };
  }

  /** Ends all with `canceled`, and lets none begin. */
  close(): void {
    this.#closed = true;
    const reason = new ConnectError("The call ended without an answer: the client was closed", Code.Canceled);
    for (const controller of this.#open) controller.abort(reason);
    this.#open.clear();
  }
}
