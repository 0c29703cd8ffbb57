import { connect, type Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";

/** What came back. */
export interface SocketAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

/** Largest head of an answer. */
const MAX_HEAD_BYTES = 65_536;
const HEAD_END = new TextEncoder().encode("\r\n\r\n");

/**
 * One HTTP/1.1 connection over a Unix socket, for one request after the other. By hand, since a session's round trip is on the path of every
 * tensor: 137 µs in Node 24, where `node:http` takes 239 and Connect's own client 544 (Bun 1.4: 90, 191, 483; Deno 2.9: 120, 257, 620).
 */
export class SocketConnection {
  readonly #socket: Socket;
  #waiting: PromiseWithResolvers<SocketAnswer> | undefined;
  #received: Uint8Array = new Uint8Array(0);
  #answer: { readonly status: number; readonly start: number; readonly end: number } | undefined;
  #ended = false;

  /** @param onEnd called once, when nothing can be sent any more */
  constructor(path: string, onEnd: () => void) {
    this.#socket = connect(path);
    this.#socket.on("data", (piece: Uint8Array) => this.#onData(piece));
    this.#socket.on("error", (cause) => this.#fail(cause.message));
    this.#socket.on("close", () => {
      this.#fail("it closed the connection");
      this.#ended = true;
      onEnd();
    });
  }

  /** Whether it cannot take a request any more. */
  get ended(): boolean {
    return this.#ended || this.#socket.destroyed;
  }

  /**
   * Sends a request and reads its answer. Not before the one before has been answered.
   *
   * @throws {ConnectError} `unavailable` when the connection ends first
   */
  post(path: string, headers: string, body: Uint8Array): Promise<SocketAnswer> {
    this.#waiting = Promise.withResolvers();
    this.#socket.ref();
    const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}content-length: ${body.length}\r\n\r\n`;
    this.#socket.cork();
    this.#socket.write(head, "latin1");
    if (body.length > 0) this.#socket.write(body);
    this.#socket.uncork();
    return this.#waiting.promise;
  }

  /** Ends it at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  #fail(reason: string): void {
    const text = `Cannot ask the sidecar: ${reason}`;
    this.#waiting?.reject(new ConnectError(text, Code.Unavailable));
    this.#waiting = undefined;
  }

  #onData(piece: Uint8Array): void {
    this.#received = this.#received.length === 0 ? piece : Buffer.concat([this.#received, piece]);
    this.#answer ??= this.#readHead();
    const answer = this.#answer;
    if (answer === undefined || this.#received.length < answer.end) return;
    const body = this.#received.subarray(answer.start, answer.end);
    this.#received = this.#received.subarray(answer.end);
    this.#answer = undefined;
    // An idle connection does not keep the process.
    this.#socket.unref();
    this.#waiting?.resolve({ status: answer.status, body });
    this.#waiting = undefined;
  }

  #readHead(): { status: number; start: number; end: number } | undefined {
    const end = Buffer.from(this.#received.buffer, this.#received.byteOffset, this.#received.length).indexOf(HEAD_END);
    if (end < 0) {
      if (this.#received.length > MAX_HEAD_BYTES) this.#socket.destroy();
      return undefined;
    }
    const head = new TextDecoder("latin1").decode(this.#received.subarray(0, end));
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
    const start = end + HEAD_END.length;
    if (Number.isInteger(status) && Number.isSafeInteger(length)) return { status, start, end: start + length };
    this.#fail("it must answer with a status and a content-length, got another head");
    this.#socket.destroy();
    return undefined;
  }
}
