import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProgram } from "../../support/program.ts";

/** The token that the node takes. */
export const TOKEN = "a-token-of-the-tests";

/** A node in a process of its own. */
export interface NodeWorld {
  /** Its URL. */
  readonly url: string;
  /** Its Unix socket as a URL. */
  readonly socketUrl: string;
  /** Breaks all of its connections. */
  cut(): void;
  /** Kills the process. */
  kill(): Promise<void>;
  /** Starts it anew, where it was. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a node. */
export async function startNode(): Promise<NodeWorld> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-node-"));
  const socket = join(folder, "node.sock");
  let port = "0";
  const start = async () => {
    await rm(socket, { force: true });
    const env = { NODE_TOKEN: TOKEN, NODE_SOCKET: socket, NODE_PORT: port };
    const program = startProgram("test/client/to-node/node-program.ts", [], { env, runtime: "node" });
    const [, url = ""] = await program.waitFor(/Serving on (\S+)/, 60_000);
    port = new URL(url).port;
    return { program, url };
  };
  let { program, url } = await start().catch(async (error) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  return {
    url,
    socketUrl: `unix:${socket}`,
    cut: () => process.kill(program.pid, "SIGUSR2"),
    kill: async () => void await program.kill(),
    restart: async () => {
      await program.kill();
      ({ program, url } = await start());
    },
    stop: async () => {
      await program.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
