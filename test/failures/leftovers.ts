import { readdir } from "node:fs/promises";
import type { Bus } from "../../src/bus/bus.ts";
import { callApi, type StreamInfo } from "../../src/rpc/queue/jetstream-api.ts";
import { Subjects } from "../../src/rpc/subjects.ts";
import type { Broker } from "../../src/testing/nats-server.ts";

/** What is there at one moment, in words and numbers that can be compared. */
export type Footprint = Readonly<Record<string, number>>;

interface Connection {
  readonly cid: number;
  readonly pid?: number;
  readonly name?: string;
  readonly subscriptions: number;
}

interface ConsumerPage {
  readonly consumers:
    | readonly { readonly name: string; readonly num_ack_pending: number; readonly num_pending: number }[]
    | null;
}

/**
 * Everything that a namespace holds in its broker: streams with what is in them, consumers with what they wait for, subscriptions by
 * connection; and the open files of processes.
 */
export async function footprint(broker: Broker, bus: Bus, namespace: string, pids: readonly number[]): Promise<Footprint> {
  const [stored, connected, ...files] = await Promise.all([
    storage(bus, namespace),
    connections(broker),
    ...pids.map(async (pid) => [`open files of process ${pid}`, (await readdir(`/proc/${pid}/fd`)).length] as const),
  ]);
  return { ...stored, ...connected, ...Object.fromEntries(files) };
}

async function storage(bus: Bus, namespace: string): Promise<Footprint> {
  const found: Record<string, number> = {};
  const { streams } = await callApi<{ streams: StreamInfo[] | null }>(bus, "STREAM.LIST", { subject: `wb.${namespace}.>` });
  const cancels = new Subjects(namespace).callStream();
  for (const { config: { name, retention }, state } of streams ?? []) {
    const page = await callApi<ConsumerPage>(bus, `CONSUMER.LIST.${name}`);
    found[`stream ${name}`] = 1;
    // Dead letters are meant to stay.
    if (retention === "workqueue" || name === cancels) found[`messages in ${name}`] = state.messages;
    for (const consumer of page.consumers ?? []) {
      found[`consumer ${consumer.name} of ${name}`] = 1;
      found[`unacknowledged by ${consumer.name} of ${name}`] = consumer.num_ack_pending;
    }
  }
  return found;
}

/** Subscriptions by connection's name and order: a new connection in place of an old one is no difference. */
async function connections({ monitorUrl }: Broker): Promise<Footprint> {
  const answer = await fetch(`${monitorUrl}/connz?limit=1024`);
  const { connections: all } = await answer.json() as { connections: Connection[] };
  const found: Record<string, number> = {};
  for (const { name = "nameless", subscriptions } of all.sort((a, b) => a.cid - b.cid)) {
    found[`connections of ${name}`] = (found[`connections of ${name}`] ?? 0) + 1;
    found[`subscriptions of ${name}`] = (found[`subscriptions of ${name}`] ?? 0) + subscriptions;
  }
  return found;
}

/** How a later footprint differs: things that are new, gone, more or fewer. */
export function differences(before: Footprint, after: Footprint): string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return keys.filter((key) => (before[key] ?? 0) !== (after[key] ?? 0))
    .map((key) => `${key}: ${before[key] ?? 0} before, ${after[key] ?? 0} now`);
}
