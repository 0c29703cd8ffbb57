import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "../client/client.ts";
import { consumerName, declareQueue } from "../rpc/queue/declare-queue.ts";
import { callApi } from "../rpc/queue/jetstream-api.ts";
import type { SupervisedWorker } from "./supervised-worker.ts";

const pollMs = 50;

/** One version of an operator. */
interface Served {
  readonly name: string;
  readonly version: string;
}

/** What workers serve, as discovery has it. */
export function servedBy(workers: readonly SupervisedWorker[]): Served[] {
  return workers.flatMap(({ record }) => record?.operators ?? []);
}

/** The versions that only leaving workers serve, of operators that others go on serving in another version. */
export function lastVersions(leaving: readonly Served[], staying: readonly SupervisedWorker[]): Served[] {
  const remaining = servedBy(staying.filter(({ state }) => state === "ready"));
  const last = leaving.filter(({ name, version }) => {
    const same = remaining.filter((one) => one.name === name);
    return same.length > 0 && same.every((one) => one.version !== version);
  });
  return [...new Map(last.map((served) => [`${served.name}\n${served.version}`, served])).values()];
}

/**
 * Ends a version of an operator whose last workers are leaving: what asks for no version goes to those that stay, what asks for this one
 * hears that there is none, and what is queued for it is served before they leave. Nobody would ever pull that afterwards.
 *
 * @param leaving the instances that are about to go
 * @param signal ends the wait
 */
export async function endVersion(
  { bus, caller, discovery }: Client,
  { name, version }: Served,
  leaving: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { subjects } = caller;
  const instances = await discovery.instances({ operator: name, version }, { signal });
  // Served elsewhere, by another deployment of the namespace.
  if (instances.some(({ instance, draining }) => !draining && !leaving.includes(instance))) return;
  const declaration = await discovery.withdraw(name, version, { signal });
  if (declaration !== undefined) await declareQueue(bus, subjects, declaration);
  const stream = subjects.queueStream(name);
  for (let priority = 0; !signal.aborted;) {
    const info = await callApi<{ num_pending: number }>(
      bus,
      `CONSUMER.INFO.${stream}.${consumerName(version, priority)}`,
      undefined,
      { signal },
    ).catch(() => undefined);
    // There is no such priority, or nobody who can tell.
    if (info === undefined) return;
    if (info.num_pending === 0) priority++;
    else await delay(pollMs);
  }
}
