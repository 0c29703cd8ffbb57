import type { Agent as HttpAgent } from "node:http";
import type { Transport } from "@connectrpc/connect";
import { secretFileOf } from "../../data/node-socket.ts";
import { MAX_ANSWER_BYTES, type NodeWire, type NodeWireOptions } from "./node-wire.ts";

/** Connections to one node, over HTTP/1.1. */
const MAX_SOCKETS = 256;
/** After how long without a word a connection with open calls is tested, and how long the answer may take. */
const PING_MS = 10_000;
const PING_TIMEOUT_MS = 5_000;
/** Bytes of one HTTP/2 stream that may be on their way: the default of 64 KB is one round trip per 64 KB. */
const STREAM_WINDOW_BYTES = 4 * 2 ** 20;

/**
 * Connect and gRPC by the HTTP of Node, which Bun and Deno have too: Unix sockets, HTTP/2, certificates of one's own.
 *
 * @returns `undefined` in other runtimes
 */
export async function runtimeWire({ address, protocol, tls }: NodeWireOptions): Promise<NodeWire | undefined> {
  const inWorkerd = globalThis.navigator?.userAgent === "Cloudflare-Workers";
  if (typeof process !== "object" || process.versions?.node === undefined || inWorkerd) return undefined;
  const [http, https, net, nodeTls, connectNode] = await Promise.all([
    import("node:http"),
    import("node:https"),
    import("node:net"),
    import("node:tls"),
    import("@connectrpc/connect-node"),
  ]);
  const { baseUrl, socketPath } = address;
  const { ca, cert, key } = tls ?? {};
  const secure = baseUrl.startsWith("https:");
  const trust = { ca, cert, key };
  const inDeno = "Deno" in globalThis;
  // Deno 2.9 hands out kept sockets that the other side has closed, and a request on one waits for ever.
  const kept = { keepAlive: !inDeno, maxSockets: MAX_SOCKETS };
  const agent: HttpAgent = secure ? new https.Agent({ ...kept, ...trust }) : new http.Agent(kept);
  const authority = new URL(baseUrl);
  const dial = () => {
    if (socketPath !== undefined) return net.connect({ path: socketPath });
    const host = authority.hostname.replace(/^\[|\]$/g, "");
    const port = Number(authority.port || (secure ? 443 : 80));
    return secure
      ? nodeTls.connect({ host, port, ...trust, ALPNProtocols: ["h2"], servername: net.isIP(host) === 0 ? host : "" })
      : net.connect({ host, port, noDelay: true });
  };
  const http2 = new connectNode.Http2SessionManager(baseUrl, { pingIntervalMs: PING_MS, pingTimeoutMs: PING_TIMEOUT_MS }, {
    createConnection: dial,
    settings: { initialWindowSize: STREAM_WINDOW_BYTES },
  });
  const limits = { acceptCompression: [], readMaxBytes: MAX_ANSWER_BYTES, writeMaxBytes: MAX_ANSWER_BYTES };
  const over2 = { ...limits, baseUrl, httpVersion: "2", sessionManager: http2 } as const;
  const over1 = { ...limits, baseUrl, httpVersion: "1.1", nodeOptions: { agent, socketPath, ...trust } } as const;
  // Deno 2.9 lets connect-node write before the handshake is over, and fails with EPERM.
  const plain = secure && inDeno ? over2 : over1;
  return {
    duplex: true,
    transport: (interceptors) =>
      protocol === "grpc" ? connectNode.createGrpcTransport({ ...over2, interceptors }) : byKind(
        connectNode.createConnectTransport({ ...plain, interceptors }),
        connectNode.createConnectTransport({ ...over2, interceptors }),
      ),
    close() {
      agent.destroy();
      http2.abort();
    },
  };
}

/** The secret of the node that listens on a Unix socket, for this user's programs; empty where there is none to be read. */
export function secretBeside(socketPath: string): string {
  try {
    return process.getBuiltinModule("node:fs").readFileSync(secretFileOf(socketPath), "utf8");
  } catch {
    return "";
  }
}

/** HTTP/1.1 is the cheaper one, but answers begin only when the request has ended. */
function byKind(plain: Transport, duplex: Transport): Transport {
  return {
    unary: (...call) => plain.unary(...call),
    stream: (...call) => (call[0].methodKind === "server_streaming" ? plain : duplex).stream(...call),
  };
}
