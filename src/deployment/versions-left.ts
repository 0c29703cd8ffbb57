import { setTimeout as delay } from "node:timers/promises";
import type { Bus } from "../bus/bus.ts";
import { callApi } from "../rpc/queue/jetstream-api.ts";
import { consumerName } from "../rpc/queue/declare-queue.ts";
import type { Subjects } from "../rpc/subjects.ts";
import type { SupervisedWorker } from "./supervised-worker.ts";

const pollMs = 50;

/** One version of an operator. */
interface Served {
  readonly name: string;
  readonly version: string;
}

function servedBy(worker: SupervisedWorker): readonly Served[] {
  return worker.record?.operators ?? [];
}

/** The versions that a worker alone serves, of operators that others go on serving in another version. */
export function lastVersions(worker: SupervisedWorker, others: readonly SupervisedWorker[]): Served[] {
  const remaining = others.filter((other) => other !== worker && other.state === "ready").flatMap(servedBy);
  return servedBy(worker).filter(({ name, version }) => {
    const same = remaining.filter((one) => one.name === name);
    return same.length > 0 && same.every((one) => one.version !== version);
  });
}

/**
 * Waits until nothing is queued for a version of an operator. What asks for no version was stored under the default one of its time: once
 * the last worker of that version is gone, nobody would ever pull it.
 *
 * @param signal ends the wait
 */
export async function untilUnqueued(bus: Bus, subjects: Subjects, served: Served, signal: AbortSignal): Promise<void> {
  const stream = subjects.queueStream(served.name);
  for (let priority = 0; !signal.aborted;) {
    const consumer = consumerName(served.version, priority);
    const info = await callApi<{ num_pending: number }>(bus, `CONSUMER.INFO.${stream}.${consumer}`, undefined, { signal })
      .catch(() => undefined);
    // There is no such priority, or nobody who can tell.
    if (info === undefined) return;
    if (info.num_pending === 0) priority++;
    else await delay(pollMs);
  }
}
