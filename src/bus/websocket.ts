import { Code, ConnectError } from "@connectrpc/connect";
import * as nats from "nats.ws";
import type { Dial, DialControl, Dialler } from "./dial.ts";
import { silentLogger } from "./logger.ts";
import type { BusOptions, WebSocketFactory, WebSocketLike } from "./options.ts";
import { denoSocketFactory } from "./websocket-deno.ts";

/** After the page becomes visible again, how long the broker may take to show that the connection still stands. */
const visibleTimeoutMs = 3000;

/** Dials websockets with the `nats.ws` client. Loaded only when a `ws://` or `wss://` URL is asked for. */
export async function webSocketDialler(options: BusOptions): Promise<Dialler> {
  const factory = options.webSocketFactory ?? await denoSocketFactory(options.logger ?? silentLogger) ?? globalFactory();
  return { dial: (address, control) => new WebSocketDial(address, control, factory, options) };
}

function globalFactory(): WebSocketFactory {
  if (typeof globalThis.WebSocket !== "function") {
    const message =
      "Cannot connect to the broker: this runtime has no global WebSocket, pass webSocketFactory or a nats:// URL";
    throw new ConnectError(message, Code.FailedPrecondition);
  }
  return (url) => new WebSocket(url);
}

/** The handlers that the client puts on a socket. */
type ClientSocket = WebSocketLike & { onerror?: ((event: { message: string }) => void) | null };

/** One connection, which keeps hold of its current socket: the client leaves some of them open. */
class WebSocketDial implements Dial {
  readonly connection: Promise<nats.NatsConnection>;
  readonly owned: Dial["owned"];
  readonly #control: DialControl;
  readonly #factory: WebSocketFactory;
  #socket: ClientSocket | undefined;

  constructor(address: string, control: DialControl, factory: WebSocketFactory, options: BusOptions) {
    this.#control = control;
    this.#factory = factory;
    this.owned = { kind: "websocket", stop: () => control.stop(), onStale: () => this.#socket?.close() };
    const { inboxPrefix, ignoreClusterUpdates = true } = options;
    const settings = {
      ...control.clientOptions(nats),
      servers: [address],
      inboxPrefix,
      ignoreClusterUpdates,
      // On an internal type of `nats.ws` 1.30, and works.
      wsFactory: (url: string) => this.#open(url),
    };
    this.connection = nats.connect(settings);
    this.connection.then(reconnectOnReturn, () => this.abort());
  }

  /** Makes the client's dial fail at once, which it would otherwise wait for until its time limit. */
  abort(): void {
    this.#control.stop();
    this.#socket?.onerror?.({ message: "Aborted" });
    // The client's own close uses a code that sockets refuse to send (1002), and so leaves them open.
    this.#socket?.close();
  }

  async #open(url: string): Promise<{ socket: WebSocketLike; encrypted: boolean }> {
    if (this.#control.stopped) throw new Error("The connection is closed");
    const socket: ClientSocket = await this.#factory(url);
    this.#socket = socket;
    if (this.#control.stopped) {
      // Without a listener, npm `ws` throws the error of closing before it is open.
      socket.onerror = () => {};
      socket.close();
      throw new Error("The connection is closed");
    }
    return { socket, encrypted: url.startsWith("wss:") };
  }
}

/** What is used of a browser's `document`; not every runtime's types know it. */
interface Page {
  readonly visibilityState: string;
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** A page in the background may lose its connection without a sign; the next ping is seconds away. */
function reconnectOnReturn(connection: nats.NatsConnection): void {
  const { document } = globalThis as { document?: Page };
  if (document === undefined) return;
  const onChange = () => {
    if (document.visibilityState !== "visible") return;
    const timer = setTimeout(() => void connection.reconnect().catch(() => {}), visibleTimeoutMs);
    // A flush fails when the loss has been noticed: the client reconnects of itself then.
    connection.flush().catch(() => {}).finally(() => clearTimeout(timer));
  };
  document.addEventListener("visibilitychange", onChange);
  void connection.closed().finally(() => document.removeEventListener("visibilitychange", onChange));
}
