import { constants } from "node:http2";
import type { SidecarLimits } from "../limits.ts";
import type { NodeListener, NodeRequest, NodeResponse } from "./listener.ts";

/** What bounds requests need to know of one: whether its body, and it as a whole, may take long. */
export interface Bounded {
  /** Whether its body is an upload, which may take as long as a transfer. */
  readonly upload: boolean;
  /** Whether it lasts as long as the caller wants. */
  readonly endless: boolean;
}

type Limits = Required<Pick<SidecarLimits, "maxRequests" | "requestTimeoutMs" | "transferTimeoutMs" | "idleTimeoutMs">>;

/** A request that runs, and how far its answer was when it was looked at last. */
interface Running {
  readonly request: NodeRequest;
  readonly response: NodeResponse;
  pending: number;
  sent: number;
}

/** Keeps requests within bounds in number and time, whatever they are; those that are cut off end with their connection or stream. */
export class RequestBounds {
  readonly #limits: Limits;
  readonly #kindOf: (path: string, method: string) => Bounded;
  readonly #running = new Set<Running>();
  readonly #looking: ReturnType<typeof setInterval>;

  constructor(limits: Limits, kindOf: (path: string, method: string) => Bounded) {
    this.#limits = limits;
    this.#kindOf = kindOf;
    this.#looking = setInterval(() => this.#cutStalled(), limits.idleTimeoutMs);
    this.#looking.unref();
  }

  /** Requests that run. */
  get running(): number {
    return this.#running.size;
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#looking);
  }

  /** A listener that answers within the bounds. */
  within(listener: NodeListener): NodeListener {
    return (request, response) => {
      if (this.#running.size >= this.#limits.maxRequests) {
        return refuse(request, response, 503, "too many requests run at once");
      }
      const running = { request, response, pending: 0, sent: 0 };
      this.#running.add(running);
      const { upload, endless } = this.#kindOf(pathOf(request), request.method ?? "");
      const { requestTimeoutMs, transferTimeoutMs } = this.#limits;
      const end = () => void request.destroy();
      const body = upload ? undefined : setTimeout(end, requestTimeoutMs);
      const whole = endless ? undefined : setTimeout(end, transferTimeoutMs);
      request.once("end", () => clearTimeout(body));
      response.once("close", () => {
        clearTimeout(body);
        clearTimeout(whole);
        this.#running.delete(running);
      });
      try {
        listener(request, response);
      } catch {
        // Such as an authority that makes no URL: connect-node throws on it.
        refuse(request, response, 400, "its path and authority must make a URL");
      }
    };
  }

  /** Ends what its reader has not moved on with since the last look. */
  #cutStalled(): void {
    for (const running of this.#running) {
      const { pending, sent } = progressOf(running);
      if (pending > 0 && pending === running.pending && sent === running.sent) cut(running.response);
      running.pending = pending;
      running.sent = sent;
    }
  }
}

function cut(response: NodeResponse): void {
  // Without a code the other side would take it for a whole answer, and wait until its reader has read that.
  if ("stream" in response) response.stream?.close(constants.NGHTTP2_CANCEL);
  else response.destroy();
}

/** What changes while an answer's reader takes of it. */
function progressOf({ request, response }: Running): { pending: number; sent: number } {
  if ("stream" in response) {
    const { stream } = response;
    // Of the whole connection: while other answers on it move, one that stands still is left to the bound on its whole time.
    return { pending: stream?.writableLength ?? 0, sent: stream?.session?.socket.bytesWritten ?? 0 };
  }
  const { socket } = request;
  // What the kernel has not taken yet, of what was written at once: no public property tells it.
  const queued = (socket as { _handle?: { writeQueueSize?: number } } | null)?._handle?.writeQueueSize ?? 0;
  return { pending: response.writableLength, sent: (socket?.bytesWritten ?? 0) - queued };
}

/** The path of a request, without its query. */
export function pathOf({ url = "" }: NodeRequest): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

/** Answers with an error and ends the connection, or stream, with it: nobody reads the body any more. */
export function refuse(request: NodeRequest, response: NodeResponse, status: 400 | 503, why: string): void {
  if (!response.headersSent) {
    const code = status === 503 ? "resource_exhausted" : "invalid_argument";
    const body = JSON.stringify({ code, message: `Cannot answer a request: ${why}` });
    response.statusCode = status;
    response.setHeader("content-type", "application/json");
    response.setHeader("cache-control", "no-store");
    if (!("stream" in request)) response.setHeader("connection", "close");
    response.end(body);
  }
  request.resume();
}
