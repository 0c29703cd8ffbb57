import { createServer } from "node:net";
import type { DeploymentBroker } from "../../../src/deployment/mod.ts";
import { DEFAULT_TCP_URL, DEFAULT_WS_URL } from "../../../mod.ts";

/** A broker at the default URLs, or at free ports where someone has those; says so in that case. */
export async function brokerAtFreePorts(say: (line: string) => void): Promise<DeploymentBroker> {
  const [port = 0, websocketPort = 0] = [DEFAULT_TCP_URL, DEFAULT_WS_URL].map((url) => Number(new URL(url).port));
  const [tcpFree, webFree] = await Promise.all([isFree(port), isFree(websocketPort)]);
  if (tcpFree && webFree) return { port, websocketPort };
  const taken = [tcpFree ? [] : [port], webFree ? [] : [websocketPort]].flat().join(" and ");
  say(`Port ${taken} of this machine is in use: the broker takes free ports instead`);
  return { port: tcpFree ? port : 0, websocketPort: webFree ? websocketPort : 0 };
}

/** The first of so many ports in a row that are free, from a port on; 0 where there are none. */
export async function freePortsFrom(first: number, count: number): Promise<number> {
  for (let port = first; port + count <= 65_535; port += count) {
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isFree(port + index)));
    if (free.every(Boolean)) return port;
  }
  return 0;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
