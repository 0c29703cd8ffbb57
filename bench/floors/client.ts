/** Calls the raw responder: `request` (nc.request), `inbox` (one own wildcard inbox), `queue-memory`, `queue-file`. */
import { measure } from "../lib/measure.ts";
import { serveLoads } from "../lib/program.ts";
import { connectRaw } from "./connection.ts";

const [url = ""] = process.argv.slice(2);
const nc = await connectRaw(url);
const caller = Math.random().toString(36).slice(2, 10).padEnd(8, "0");
const waiting = new Map<string, () => void>();
let count = 0;

nc.subscribe(`floor.answer.${caller}.*`, {
  callback: (_error, message) => {
    const id = message.subject.slice(13);
    // The broker's acknowledgement of storage comes on the same inbox.
    if (message.data[0] === 123) return;
    waiting.get(id)?.();
    waiting.delete(id);
  },
});
await nc.flush();

const encoder = new TextEncoder();

function call(subject: string, payloadBytes: number): Promise<void> {
  const id = `${caller}.${String(++count).padStart(15, "0")}`;
  const payload = new Uint8Array(payloadBytes);
  encoder.encodeInto(id, payload);
  const answered = new Promise<void>((resolve) => waiting.set(id, resolve));
  nc.publish(subject, payload, { reply: `floor.answer.${id}` });
  return answered;
}

await serveLoads((load) => {
  const payload = new Uint8Array(load.payloadBytes);
  const calls: Record<string, () => Promise<unknown>> = {
    request: () => nc.request("floor.echo", payload, { timeout: 30_000 }),
    inbox: () => call("floor.own", load.payloadBytes),
    "queue-memory": () => call("floor.queue.memory", load.payloadBytes),
    "queue-file": () => call("floor.queue.file", load.payloadBytes),
  };
  return measure(load, calls[load.target]!);
});
