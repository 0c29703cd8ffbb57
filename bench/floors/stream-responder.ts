/** Streams to whoever asks: raw `nats`, one timer per stream, no credits, no acknowledgements. */
import process from "node:process";
import { ITEM_GAP_MS, ITEMS } from "../lib/stream-load.ts";
import { connectRaw } from "./connection.ts";

const [url = ""] = process.argv.slice(2);
const nc = await connectRaw(url);
nc.subscribe("floor.stream", {
  queue: "workers",
  callback: (_error, message) => {
    const reply = message.reply!;
    let item = 0;
    const send = () => {
      nc.publish(reply, Uint8Array.of(item, ITEMS));
      if (++item === ITEMS) clearInterval(timer);
    };
    const timer = setInterval(send, ITEM_GAP_MS);
    send();
  },
});
await nc.flush();
process.stdout.write('{"ready":true}\n');
process.stdin.on("end", () => process.exit(0)).resume();
