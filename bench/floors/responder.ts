/** Echoes requests: as a queue group, and from a work queue by own pull requests for free slots. Raw `nats`. */
import { connectRaw } from "./connection.ts";
import { serveWorkQueue } from "./work-queue.ts";

const [url = "", slotsText = "64"] = process.argv.slice(2);
const nc = await connectRaw(url);
const slots = Number(slotsText);

nc.subscribe("floor.echo", { queue: "workers", callback: (_error, message) => void message.respond(message.data) });
nc.subscribe("floor.own", {
  queue: "workers",
  callback: (_error, message) => nc.publish(message.reply!, message.data),
});
for (const storage of ["memory", "file"] as const) await serveWorkQueue(nc, { name: storage, storage, slots });
await nc.flush();
process.stdout.write('{"ready":true}\n');
process.stdin.on("end", () => process.exit(0)).resume();
