import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { type CallInfo, callInfo } from "./delivery.ts";
import { decodeHeader } from "./metadata.ts";

/** What a context is made from. */
export interface LazyContextInit {
  readonly method: DescMethod;
  readonly url: string;
  /** Value of the request's `wb-meta`. */
  readonly metadata: string | undefined;
  /** On the `performance.now()` clock; `Infinity` for none. */
  readonly deadlineAt: number;
  /** What the bus knows of the call. */
  readonly info: CallInfo;
}

/** With the trace context, which stands in the frame where it is all that there is. */
function requestHeaderOf({ metadata, info: { frame } }: LazyContextInit): Headers {
  const header = decodeHeader(metadata);
  if (frame.trace !== "") header.set("traceparent", frame.trace);
  return header;
}

// One for all calls: an error captures a stack, which costs more than a small call, and this one tells nothing by it.
const CALL_ENDED = new ConnectError("The call has ended", Code.Canceled);

/**
 * A Connect handler context that builds headers, values and its abort signal when a handler first asks for them: made
 * eagerly they cost more than the rest of a small call.
 */
export class LazyHandlerContext implements HandlerContext {
  readonly requestMethod = "POST";
  readonly protocolName = "waybill";
  readonly #init: LazyContextInit;
  #controller: AbortController | undefined;
  #aborted: { reason: unknown } | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;

  constructor(init: LazyContextInit) {
    this.#init = init;
  }

  get method(): DescMethod {
    return this.#init.method;
  }
  get service(): DescService {
    return this.#init.method.parent;
  }
  get url(): string {
    return this.#init.url;
  }
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }
  get requestHeader(): Headers {
    return this.#requestHeader ??= requestHeaderOf(this.#init);
  }
  get responseHeader(): Headers {
    return this.#responseHeader ??= new Headers();
  }
  get responseTrailer(): Headers {
    return this.#responseTrailer ??= new Headers();
  }
  get values(): ContextValues {
    return this.#values ??= createContextValues().set(callInfo, this.#init.info);
  }
  readonly timeoutMs = (): number | undefined => {
    return this.#init.deadlineAt === Infinity ? undefined : Math.max(0, this.#init.deadlineAt - performance.now());
  };

  /** What the bus knows of the call; the same as in `values`, without making them. */
  get info(): CallInfo {
    return this.#init.info;
  }

  /** The request's `wb-meta` as it came. */
  get metadata(): string | undefined {
    return this.#init.metadata;
  }
  /** Headers that the handler has set; `undefined` when it never asked for them. */
  get sentHeader(): Headers | undefined {
    return this.#responseHeader;
  }
  /** Trailers that the handler has set; `undefined` when it never asked for them. */
  get sentTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  /** The same as a plain object: Connect copies a context's own properties, and no getters, for handlers behind interceptors. */
  materialize(): HandlerContext {
    const { method, service, url, requestMethod, protocolName, timeoutMs } = this;
    const { signal, requestHeader, responseHeader, responseTrailer, values } = this;
    return {
      ...{ method, service, url, requestMethod, protocolName, timeoutMs },
      ...{ signal, requestHeader, responseHeader, responseTrailer, values },
    };
  }

  /** Fires the signal, as Connect does on cancel and on the deadline. */
  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
  }

  /** Fires the signal at the end of the call, as Connect does, so that what hangs on it is let go. */
  end(): void {
    if (this.#controller !== undefined) this.abort(CALL_ENDED);
  }
}
