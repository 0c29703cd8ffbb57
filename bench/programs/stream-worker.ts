/** Serves `tokens`, which streams. */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { operator, startWorker } from "../../src/worker/mod.ts";
import { ITEM_GAP_MS, ITEMS } from "../lib/stream-load.ts";

const [url = "", slots = "10000"] = process.argv.slice(2);
const tokens = operator({
  name: "tokens",
  maxInflight: Number(slots),
  inline: true,
  outputs: { token: { dtype: "INT32", shape: [1] } },
  async *execute() {
    for (let item = 0; item < ITEMS; item++) {
      if (item > 0) await delay(ITEM_GAP_MS);
      yield { token: Int32Array.of(item) };
    }
  },
});
await startWorker({ servers: url, namespace: "bench", operators: [tokens] });
process.stdout.write('{"ready":true}\n');
process.stdin.on("end", () => process.exit(0)).resume();
