import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProgram } from "../../support/program.ts";

/** The token that the node takes. */
export const TOKEN = "a-token-of-the-tests";

/** A node in a process of its own. */
export interface NodeWorld {
  /** Its URL, by a way that can be cut. */
  readonly url: string;
  /** By TLS, with a certificate that nobody trusts. */
  readonly secureUrl: string;
  /** Its Unix socket as a URL, by a way that can be cut. */
  readonly socketUrl: string;
  /** Its Unix socket itself, with the secret of its start beside it. */
  readonly ownSocketUrl: string;
  /** Breaks all connections. */
  cut(): void;
  /** Kills the process. */
  kill(): Promise<void>;
  /** Starts it anew, where it was. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A path to the node that breaks when it is told to. */
class Path {
  readonly #sockets = new Set<Socket>();
  readonly server: Server;

  constructor(target: () => NetConnectOpts) {
    this.server = createServer((near) => {
      const far = connect(target());
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => {}).on("close", () => {
          this.#sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far).pipe(near);
    });
  }

  async open(place: { path: string } | { host: string; port: number }): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(place, resolve));
    const address = this.server.address();
    return typeof address === "object" ? address?.port ?? 0 : 0;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.cut();
    await closed;
  }
}

/**
 * Starts a node.
 *
 * @param allowedOrigin the one whose pages may use it; default none
 */
export async function startNode(allowedOrigin: string = ""): Promise<NodeWorld> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-node-"));
  const own = join(folder, "node.sock");
  const socket = join(folder, "path.sock");
  let port = 0;
  let secureUrl = "";
  const start = async () => {
    const env = { NODE_TOKEN: TOKEN, NODE_SOCKET: own, NODE_PORT: String(port), ALLOWED_ORIGIN: allowedOrigin };
    const program = startProgram("test/client/to-node/node-program.ts", [], { env, runtime: "node" });
    const [, url = "", secure = ""] = await program.waitFor(/Serving on (\S+) and (\S+)\./, 60_000);
    port = Number(new URL(url).port);
    secureUrl = secure;
    return program;
  };
  const remove = () => rm(folder, { recursive: true, force: true });
  let program = await start().catch(async (error) => {
    await remove();
    throw error;
  });
  const tcp = new Path(() => ({ host: "127.0.0.1", port }));
  const unix = new Path(() => ({ path: own }));
  const tcpPort = await tcp.open({ host: "127.0.0.1", port: 0 });
  await unix.open({ path: socket });
  return {
    url: `http://127.0.0.1:${tcpPort}`,
    get secureUrl() {
      return secureUrl;
    },
    socketUrl: `unix:${socket}`,
    ownSocketUrl: `unix:${own}`,
    cut() {
      tcp.cut();
      unix.cut();
    },
    kill: async () => void await program.kill(),
    restart: async () => {
      await program.kill();
      program = await start();
    },
    stop: async () => {
      await tcp.close();
      await unix.close();
      await program.kill("SIGTERM");
      await remove();
    },
  };
}
