import type { OperatorDeclaration } from "../../../gen/waybill/v1/discovery_pb.ts";
import type { Bus } from "../../bus/bus.ts";
import { consumerName, prioritiesOf } from "../../rpc/queue/declare-queue.ts";
import { ApiErrorCode, callApi, isApiError } from "../../rpc/queue/jetstream-api.ts";
import type { Subjects } from "../../rpc/subjects.ts";

/** How long the broker may take for one answer. */
const TIMEOUT_MS = 3_000;
/** Queues that are asked about at once. */
const AT_ONCE = 16;

/** One version and priority of an operator's queue. */
export interface ConsumerState {
  readonly version: string;
  readonly priority: string;
  /** Requests that no worker has. */
  readonly pending: number;
  /** Requests that a worker has, and has not answered. */
  readonly unacknowledged: number;
  /** Of these, those that another worker had before. */
  readonly redelivered: number;
  /** Pulls of workers that wait for a request. */
  readonly waitingPulls: number;
}

/** An operator's queue at one moment. */
export interface QueueState {
  readonly operator: string;
  /** Requests that are stored, running ones too. */
  readonly messages: number;
  readonly bytes: number;
  /** Since when the oldest is stored, in seconds by the broker's clock; 0 where there is none. */
  readonly oldestSeconds: number;
  readonly deadLetters: number;
  readonly consumers: readonly ConsumerState[];
}

interface StreamAnswer {
  readonly ts?: string;
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_ts?: string;
    readonly subjects?: Readonly<Record<string, number>>;
  };
}

interface ConsumersAnswer {
  readonly total: number;
  readonly consumers?: readonly {
    readonly name: string;
    readonly num_pending?: number;
    readonly num_ack_pending?: number;
    readonly num_redelivered?: number;
    readonly num_waiting?: number;
  }[];
}

/**
 * Reads what the broker has in the queues of some operators.
 *
 * @throws {ConnectError} `unavailable`, `deadline_exceeded`, `permission_denied` when the broker does not tell
 */
export async function readQueues(
  bus: Bus,
  subjects: Subjects,
  declarations: readonly OperatorDeclaration[],
): Promise<QueueState[]> {
  const dead = await stream(bus, subjects.deadLetterStream(), { subjects_filter: ">" });
  const states: QueueState[] = [];
  for (let at = 0; at < declarations.length; at += AT_ONCE) {
    const some = declarations.slice(at, at + AT_ONCE);
    states.push(...await Promise.all(some.map((declaration) => readQueue(bus, subjects, declaration, dead))));
  }
  return states;
}

async function readQueue(
  bus: Bus,
  subjects: Subjects,
  declaration: OperatorDeclaration,
  dead: StreamAnswer | undefined,
): Promise<QueueState> {
  const { name: operator } = declaration;
  const name = subjects.queueStream(operator);
  const [info, consumers] = await Promise.all([stream(bus, name), consumersOf(bus, name, declaration)]);
  const { messages = 0, bytes = 0, first_ts } = info?.state ?? {};
  const ageMs = messages === 0 ? 0 : Date.parse(info?.ts ?? "") - Date.parse(first_ts ?? "");
  return {
    operator,
    messages,
    bytes,
    oldestSeconds: Number.isFinite(ageMs) ? Math.max(0, ageMs / 1000) : 0,
    deadLetters: dead?.state.subjects?.[subjects.deadLetters(operator)] ?? 0,
    consumers,
  };
}

/** A stream's state; `undefined` where there is none, as when nobody has declared the operator at this broker yet. */
async function stream(bus: Bus, name: string, request?: unknown): Promise<StreamAnswer | undefined> {
  return await orAbsent(callApi<StreamAnswer>(bus, `STREAM.INFO.${name}`, request, { timeoutMs: TIMEOUT_MS }));
}

async function consumersOf(bus: Bus, name: string, declaration: OperatorDeclaration): Promise<ConsumerState[]> {
  const listed = new Map<string, NonNullable<ConsumersAnswer["consumers"]>[number]>();
  for (let total = 1; listed.size < total;) {
    const request = { offset: listed.size };
    const page = await orAbsent(callApi<ConsumersAnswer>(bus, `CONSUMER.LIST.${name}`, request, { timeoutMs: TIMEOUT_MS }));
    if (page?.consumers === undefined || page.consumers.length === 0) break;
    for (const consumer of page.consumers) listed.set(consumer.name, consumer);
    total = page.total;
  }
  return declaration.versions.flatMap((version) =>
    prioritiesOf(declaration).flatMap((priority) => {
      const found = listed.get(consumerName(version, priority));
      if (found === undefined) return [];
      const { num_pending = 0, num_ack_pending = 0, num_redelivered = 0, num_waiting = 0 } = found;
      return [{
        version,
        priority: String(priority),
        pending: num_pending,
        unacknowledged: num_ack_pending,
        redelivered: num_redelivered,
        waitingPulls: num_waiting,
      }];
    })
  );
}

async function orAbsent<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isApiError(error, ApiErrorCode.streamNotFound)) return undefined;
    throw error;
  }
}
