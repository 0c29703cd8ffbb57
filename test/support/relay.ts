import { connect, createServer, type Socket } from "node:net";

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
  close(): Promise<void>;
}

/** Opens a path to a URL. */
export async function openRelay(url: string): Promise<Relay> {
  const { protocol, hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let parted = false;
  const server = createServer((near): void => {
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
    near.pipe(far).pipe(near);
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
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
