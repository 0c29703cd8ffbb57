import { Code, type ConnectError } from "@connectrpc/connect";
import type { OperatorDeclaration } from "../../../gen/waybill/v1/discovery_pb.ts";
import type { Bus } from "../../bus/bus.ts";
import { DEFAULT_ACK_WAIT_MS } from "../beats.ts";
import { fault } from "../error.ts";
import { escapeName } from "../names.ts";
import { DEFAULT_VERSION_TOKEN, type Subjects } from "../subjects.ts";
import { ApiErrorCode, callApi, ensureStream, isApiError, nanos } from "./jetstream-api.ts";
import { ensureCalls, ensureSharedStream } from "./stored-cancels.ts";

const DEAD_LETTER_AGE_MS = 7 * 24 * 3600 * 1000;
const MAX_DEAD_LETTERS = 100_000;
const MAX_WAITING = 8_192;
const DEFAULT_MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/** The priorities that an operator has, the lowest first. */
export function prioritiesOf(declaration: OperatorDeclaration): number[] {
  return Array.from({ length: Math.max(1, declaration.priorities) }, (_, priority) => priority);
}

/** The consumer of one version and priority. */
export function consumerName(version: string, priority: number): string {
  return `v${escapeName(version)}-p${priority}`;
}

/**
 * Makes an operator's queue in the broker, or brings it up to date: a work-queue stream with one durable consumer per version
 * and priority, beside the dead letters and what is kept of calls. Apart from the store that pulls from it, because clients that declare never pull.
 *
 * @throws {ConnectError} `permission_denied` when the broker refuses
 */
export async function declareQueue(
  bus: Bus,
  subjects: Subjects,
  declaration: OperatorDeclaration,
): Promise<void> {
  await Promise.all([
    ensureCalls(bus, subjects),
    ensureSharedStream(bus, {
      name: subjects.deadLetterStream(),
      subjects: [subjects.everyDeadLetter()],
      max_age: nanos(DEAD_LETTER_AGE_MS),
      max_msgs: MAX_DEAD_LETTERS,
      discard: "old",
    }),
  ]);
  const operator = escapeName(declaration.name);
  const root = `wb.${subjects.namespace}`;
  const stream = subjects.queueStream(declaration.name);
  const maxBytes = declaration.maxQueuedBytes ? Number(declaration.maxQueuedBytes) : DEFAULT_MAX_QUEUED_BYTES;
  await ensureStream(bus, {
    name: stream,
    // No wildcards: what asks for another version or priority finds nobody, instead of waiting for ever.
    subjects: [undefined, ...declaration.versions].flatMap((version) =>
      prioritiesOf(declaration).map((priority) => subjects.queue(declaration.name, version, priority))
    ),
    retention: "workqueue",
    storage: declaration.storage === "file" ? "file" : "memory",
    discard: "new",
    max_msgs: declaration.maxQueuedMessages ? Number(declaration.maxQueuedMessages) : 100_000,
    max_bytes: maxBytes,
    max_age: nanos(declaration.maxQueuedAgeMs ? Number(declaration.maxQueuedAgeMs) : 24 * 3600 * 1000),
    subject_transform: {
      src: `${root}.q.${operator}.${DEFAULT_VERSION_TOKEN}.*`,
      dest: `${root}.q.${operator}.${escapeName(declaration.defaultVersion)}.{{wildcard(1)}}`,
    },
    ...(declaration.priorities > 1
      ? {
        republish: {
          src: `${root}.q.${operator}.*.*`,
          dest: `${root}.w.${operator}.{{wildcard(1)}}.{{wildcard(2)}}`,
          headers_only: true,
        },
      }
      : {}),
  }).catch((error) => {
    throw isNoRoom(error) ? noRoom(declaration, maxBytes, error) : error;
  });
  await Promise.all(
    declaration.versions.flatMap((version) =>
      prioritiesOf(declaration).map((priority) =>
        callApi(bus, `CONSUMER.CREATE.${stream}.${consumerName(version, priority)}`, {
          stream_name: stream,
          config: {
            durable_name: consumerName(version, priority),
            filter_subject: subjects.queue(declaration.name, version, priority),
            ack_policy: "explicit",
            ack_wait: nanos(declaration.ackWaitMs || DEFAULT_ACK_WAIT_MS),
            max_deliver: -1,
            max_ack_pending: -1,
            max_waiting: MAX_WAITING,
            deliver_policy: "all",
            replay_policy: "instant",
            mem_storage: declaration.storage !== "file",
          },
        })
      )
    ),
  );
}

function isNoRoom(error: unknown): boolean {
  const { noMemory, noDisk, noResources } = ApiErrorCode;
  return [noMemory, noDisk, noResources].some((number) => isApiError(error, number));
}

function noRoom({ name, storage }: OperatorDeclaration, maxBytes: number, cause: unknown): ConnectError {
  const what = storage === "file" ? "disk (maxFileBytes, max_file)" : "memory (maxMemoryBytes, max_mem)";
  const text =
    `its ${maxBytes} bytes (maxQueuedBytes) must fit the broker's ${what} beside what all other queues may come to hold`;
  return fault(`Cannot declare the queue of operator "${name}": ${text}`, Code.ResourceExhausted, { operator: name }, cause);
}
