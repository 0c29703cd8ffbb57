import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus } from "../../bus/bus.ts";
import { type CallerFrame, decodeCallerFrame, FRAME_HEADER } from "../frame.ts";
import { unescapeName } from "../names.ts";
import type { Subjects } from "../subjects.ts";
import { ApiErrorCode, ensureStream, isApiError, nanos, type StreamConfig } from "./jetstream-api.ts";
import { deleteStored, headerOf, storedMessages } from "./stored-message.ts";

/** A request without a deadline is remembered as canceled for as long as a queue keeps it by default. */
const MAX_AGE_MS = 24 * 3600 * 1000;
const MAX_MESSAGES = 100_000;
const SWEEP_MS = 10_000;

/** Makes a stream on disk that all operators of the namespace share, or in memory where the broker has no disk. */
export async function ensureSharedStream(bus: Bus, config: Omit<StreamConfig, "storage" | "retention">): Promise<void> {
  for (const storage of ["file", "memory"] as const) {
    try {
      await ensureStream(bus, { ...config, retention: "limits", storage });
      return;
    } catch (error) {
      // It is there, made by others with other storage.
      if (isApiError(error, ApiErrorCode.streamNameInUse) || /storage type/i.test(String(error))) return;
      if (storage === "memory" || ConnectError.from(error).code !== Code.ResourceExhausted) throw error;
    }
  }
}

/** Makes the stream of what outlives instances: canceled calls, where each caller writes below its own id, and attempts. */
export function ensureCalls(bus: Bus, subjects: Subjects): Promise<void> {
  return ensureSharedStream(bus, {
    name: subjects.callStream(),
    subjects: [subjects.everyCanceled(), subjects.everyAttempts()],
    max_age: nanos(MAX_AGE_MS),
    max_msgs: MAX_MESSAGES,
    max_msgs_per_subject: 1,
    allow_msg_ttl: true,
    discard: "old",
  });
}

/**
 * Reads the cancels that were stored, hands each on, and forgets those that were dealt with.
 *
 * @param operator `undefined` for those of all operators
 * @param handle returns whether the cancel can be forgotten
 */
export async function sweepCancels(
  bus: Bus,
  subjects: Subjects,
  operator: string | undefined,
  handle: (frame: CallerFrame, operator: string) => Promise<boolean>,
): Promise<void> {
  const until = performance.now() + SWEEP_MS;
  const stream = subjects.callStream();
  const filter = operator === undefined ? subjects.everyCanceled() : subjects.canceledOf(operator);
  for await (const message of storedMessages(bus, stream, filter)) {
    const frame = decodeCallerFrame(headerOf(message, FRAME_HEADER));
    const name = unescapeName(message.subject.split(".")[3] as string);
    // The broker holds callers to their own subjects; what a frame says beside that is anybody's word.
    const own = typeof frame === "object" && frame.kind === "cancel" &&
      message.subject === subjects.canceled(name, frame.caller, frame.call);
    if (!own || await handle(frame, name)) await deleteStored(bus, stream, message.seq);
    if (performance.now() > until) return;
  }
}
