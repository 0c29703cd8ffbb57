/** Echoes requests: as a queue group, and from a work queue by own pull requests for free slots. Raw `nats`. */
import { connectRaw } from "./connection.ts";

const [url = "", slotsText = "64"] = process.argv.slice(2);
const nc = await connectRaw(url);
const slots = Number(slotsText);

nc.subscribe("floor.echo", { queue: "workers", callback: (_error, message) => void message.respond(message.data) });
nc.subscribe("floor.own", {
  queue: "workers",
  callback: (_error, message) => nc.publish(message.reply!, message.data),
});

const jsm = await nc.jetstreamManager();
for (const storage of ["memory", "file"] as const) {
  const name = `FLOOR_${storage}`;
  await jsm.streams.add({
    name,
    subjects: [`floor.queue.${storage}`],
    retention: "workqueue" as never,
    storage: storage as never,
  });
  await jsm.consumers.add(name, {
    durable_name: "workers",
    ack_policy: "explicit" as never,
    max_ack_pending: -1,
    max_waiting: 8192,
  });
  pullFrom(name);
}
await nc.flush();
process.stdout.write('{"ready":true}\n');
process.stdin.on("end", () => process.exit(0)).resume();

function pullFrom(stream: string): void {
  const inbox = `floor.pull.${stream}`;
  let free = slots;
  let outstanding = 0;
  let scheduled = false;
  const pull = () => {
    scheduled = false;
    const batch = free - outstanding;
    if (batch <= 0) return;
    outstanding += batch;
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.workers`, `{"batch":${batch},"expires":30000000000}`, { reply: inbox });
  };
  const demand = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(pull);
  };
  nc.subscribe(inbox, {
    callback: (_error, message) => {
      if (message.headers?.code) {
        outstanding -= Number(message.headers.get("Nats-Pending-Messages")) || outstanding;
        return demand();
      }
      outstanding--;
      free--;
      const id = new TextDecoder().decode(message.data.subarray(0, 24));
      nc.publish(`floor.answer.${id}`, message.data);
      nc.publish(message.reply!, "+ACK");
      free++;
      demand();
    },
  });
  pull();
}
