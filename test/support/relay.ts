import { connect, createServer, type Socket } from "node:net";
import { Transform } from "node:stream";

/** A path to a server that breaks when it is told to. */
export interface Relay {
  /** The server's URL with this path's port. */
  readonly url: string;
  /** Closes every connection there is; new ones get through. */
  cut(): void;
  /** The same, and nothing gets through until {@linkcode join}. */
  part(): void;
  /** Lets connections through again. */
  join(): void;
  /**
   * Lets nothing through from the first occurrence of a text on, of what clients send or get; the connection stays. Resolves when it
   * has occurred. For one occurrence; {@linkcode cut} closes what hangs then.
   */
  holdFrom(text: string, way: "sent" | "got"): Promise<void>;
  close(): Promise<void>;
}

/** What is to be held, and who wants to know of it. */
interface Hold {
  readonly text: string;
  readonly way: "sent" | "got";
  readonly seen: () => void;
}

/** Opens a path to a URL. */
export async function openRelay(url: string): Promise<Relay> {
  const { protocol, hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let parted = false;
  let hold: Hold | undefined;
  const gate = (way: Hold["way"]) => {
    let held = false;
    return new Transform({
      transform(chunk: Uint8Array, _, done) {
        const at = held || hold?.way !== way ? -1 : Buffer.from(chunk).indexOf(hold.text);
        if (at >= 0) {
          held = true;
          hold?.seen();
          hold = undefined;
          return done(null, chunk.subarray(0, at));
        }
        if (held) done();
        else done(null, chunk);
      },
    });
  };
  const server = createServer((near: Socket): void => {
    near.on("error", () => {});
    if (parted) return void near.destroy();
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(gate("sent")).pipe(far).pipe(gate("got")).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = () => sockets.forEach((socket) => socket.destroy());
  return {
    url: `${protocol}//127.0.0.1:${(server.address() as { port: number }).port}`,
    cut,
    part() {
      parted = true;
      cut();
    },
    join() {
      parted = false;
    },
    holdFrom(text, way) {
      return new Promise((seen) => hold = { text, way, seen });
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
