/** Keeps raw streams open: one inbox of all, one small queue for each. */
import process from "node:process";
import { serveRequests } from "../lib/program.ts";
import { ITEMS, measureStreams, type StreamLoad } from "../lib/stream-load.ts";
import { connectRaw } from "./connection.ts";

const [url = ""] = process.argv.slice(2);
const nc = await connectRaw(url);
const prefix = `floor.items.${Math.random().toString(36).slice(2)}.`;
const open = new Map<string, (item: number) => void>();
let count = 0;
nc.subscribe(`${prefix}*`, {
  callback: (_error, message) => open.get(message.subject.slice(prefix.length))?.(message.data[0]!),
});
await nc.flush();

async function* stream(): AsyncGenerator<number> {
  const id = String(++count);
  const items: number[] = [];
  let wake: (() => void) | undefined;
  open.set(id, (item) => {
    items.push(item);
    wake?.();
  });
  nc.publish("floor.stream", new Uint8Array(0), { reply: `${prefix}${id}` });
  try {
    for (let received = 0; received < ITEMS; received++) {
      if (items.length === 0) await new Promise<void>((resolve) => wake = resolve);
      yield items.shift()!;
    }
  } finally {
    open.delete(id);
  }
}

await serveRequests((load: StreamLoad) => measureStreams(load, stream));
