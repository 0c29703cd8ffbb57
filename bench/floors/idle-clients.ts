/** Many raw connections in one process, each with one subscription. */
import process from "node:process";
import type { NatsConnection } from "nats";
import { idleClients } from "../lib/idle-clients.ts";
import { serveRequests } from "../lib/program.ts";
import { connectRaw } from "./connection.ts";

const [url = ""] = process.argv.slice(2);
const payload = new Uint8Array(128);
let count = 0;
const open = async (): Promise<NatsConnection> => {
  const nc = await connectRaw(url);
  nc.subscribe(`floor.answers.${process.pid}.${++count}.>`, { callback: () => {} });
  await nc.flush();
  return nc;
};
await serveRequests(idleClients(open, (nc) => nc.request("floor.echo", payload, { timeout: 30_000 })));
