import type { NatsConnection } from "nats";
import { wallMs } from "../lib/clock.ts";
import type { Execution } from "../lib/idle-slots.ts";

/** A work queue of the floor: the stream `FLOOR_<name>` on the subject `floor.queue.<name>`. */
export interface WorkQueue {
  readonly name: string;
  readonly storage: "memory" | "file";
  readonly slots: number;
  /** How long the work on a request takes. Default: nothing, it is answered in the same turn. */
  readonly holdMs?: () => number;
  /** Takes a note of each execution. */
  readonly journal?: Execution[];
}

/** Makes the stream and its consumer where they are missing, and answers what comes by own pull requests for free slots. */
export async function serveWorkQueue(nc: NatsConnection, queue: WorkQueue): Promise<void> {
  const { name, storage, holdMs, journal } = queue;
  const stream = `FLOOR_${name}`;
  const jsm = await nc.jetstreamManager();
  await jsm.streams.add({
    name: stream,
    subjects: [`floor.queue.${name}`],
    retention: "workqueue" as never,
    storage: storage as never,
  });
  await jsm.consumers.add(stream, {
    durable_name: "workers",
    ack_policy: "explicit" as never,
    max_ack_pending: -1,
    max_waiting: 8192,
  });
  const inbox = `floor.pull.${Math.random().toString(36).slice(2)}`;
  let free = queue.slots;
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
  const answer = (data: Uint8Array, reply: string) => {
    const id = new TextDecoder().decode(data.subarray(0, 24));
    nc.publish(`floor.answer.${id}`, data);
    nc.publish(reply, "+ACK");
    free++;
    demand();
  };
  nc.subscribe(inbox, {
    callback: (_error, message) => {
      if (message.headers?.code) {
        outstanding -= Number(message.headers.get("Nats-Pending-Messages")) || outstanding;
        return demand();
      }
      outstanding--;
      free--;
      const { data } = message;
      const reply = message.reply!;
      if (holdMs === undefined) return answer(data, reply);
      const startedAt = wallMs();
      setTimeout(() => {
        journal?.push([startedAt, wallMs()]);
        answer(data, reply);
      }, holdMs());
    },
  });
  pull();
}
