/** Calls the raw responder: `request` (nc.request), `inbox` (one own wildcard inbox), `queue-<name>` (a work queue). */
import { wallMs } from "../lib/clock.ts";
import { type Load, measure } from "../lib/measure.ts";
import { serveRequests } from "../lib/program.ts";
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

await serveRequests(async (load: Load) => {
  const { target, payloadBytes } = load;
  const payload = new Uint8Array(payloadBytes);
  if (target === "request") return await measure(load, () => nc.request("floor.echo", payload, { timeout: 30_000 }));
  if (target === "inbox") return await measure(load, () => call("floor.own", payloadBytes));
  const subject = `floor.queue.${target.slice("queue-".length)}`;
  const sentAt: number[] = [];
  const send = () => {
    if (load.journal) sentAt.push(wallMs());
    return call(subject, payloadBytes);
  };
  return { ...await measure(load, send), ...(load.journal ? { sentAt } : {}) };
});
