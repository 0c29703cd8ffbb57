import { type DescMethodUnary, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { abortError, decodeError } from "../../rpc/error.ts";
import { SocketConnection } from "./socket-connection.ts";

/** Node's servers close a connection that was idle for 5 s; one that is about to be is not used. */
const IDLE_MS = 2_500;

/** How long reading an answer that is there may take. */
const READ_MS = 500;

/** Unary Connect calls over a Unix socket, each on a connection of its own while it runs. */
export class SocketClient {
  readonly #path: string;
  readonly #token: string;
  readonly #connections = new Set<SocketConnection>();
  #idle: { readonly connection: SocketConnection; readonly since: number }[] = [];

  /** @param token what the server knows its own by: a bearer secret */
  constructor(path: string, token: string) {
    this.#path = path;
    this.#token = token;
  }

  /**
   * Calls a method.
   *
   * @param timeoutMs how long it may take
   * @throws {ConnectError} what the server answers; `unavailable` when the connection ends first; `deadline_exceeded`; `canceled`
   */
  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    message: MessageShape<I>,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<MessageShape<O>> {
    if (signal?.aborted) throw abortError(signal);
    const connection = this.#take();
    const end = () => connection.destroy();
    // A loop that was blocked has not read the answer yet: it gets the time to.
    let timer = setTimeout(() => timer = setTimeout(end, READ_MS), timeoutMs);
    signal?.addEventListener("abort", end);
    const startedAt = performance.now();
    try {
      const headers = `content-type: application/proto\r\nconnect-protocol-version: 1\r\nconnect-timeout-ms: ${timeoutMs}\r\n` +
        `authorization: Bearer ${this.#token}\r\n`;
      const body = toBinary(method.input, message);
      const answer = await connection.post(`/${method.parent.typeName}/${method.name}`, headers, body);
      this.#idle.push({ connection, since: performance.now() });
      if (answer.status === 200) return fromBinary(method.output, answer.body);
      throw decodeError(answer.body, new Headers());
    } catch (error) {
      if (signal?.aborted) throw abortError(signal);
      if (performance.now() - startedAt < timeoutMs) throw error;
      const text = `Cannot ask the sidecar: it must answer within ${timeoutMs} ms, and did not`;
      throw new ConnectError(text, Code.DeadlineExceeded);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }

  /** Ends all connections; what runs fails with `unavailable`. */
  close(): void {
    for (const connection of this.#connections) connection.destroy();
    this.#idle = [];
  }

  #take(): SocketConnection {
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      if (!kept.connection.ended && performance.now() - kept.since < IDLE_MS) return kept.connection;
      kept.connection.destroy();
    }
    const connection = new SocketConnection(this.#path, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    return connection;
  }
}
