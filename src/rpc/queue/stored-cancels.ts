import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus } from "../../bus/bus.ts";
import { type CallerFrame, decodeCallerFrame, FRAME_HEADER } from "../frame.ts";
import { unescapeName } from "../names.ts";
import type { Subjects } from "../subjects.ts";
import { ApiErrorCode, callApi, ensureStream, isApiError, nanos, type StreamConfig } from "./jetstream-api.ts";
import { headerOf, type StoredMessage } from "./stored-message.ts";

/** A request without a deadline is remembered as canceled for as long as a queue keeps it by default. */
const MAX_AGE_MS = 24 * 3600 * 1000;
const MAX_CANCELS = 100_000;
const SWEEP_MS = 10_000;

/** A cancel that was stored because no instance may have heard it. */
interface StoredCancel {
  readonly seq: number;
  readonly subject: string;
  readonly frame: CallerFrame;
}

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

/** Makes the stream of canceled calls: each caller writes below its own id. */
export function ensureCancels(bus: Bus, subjects: Subjects): Promise<void> {
  return ensureSharedStream(bus, {
    name: subjects.cancelStream(),
    subjects: [subjects.everyCanceled()],
    max_age: nanos(MAX_AGE_MS),
    max_msgs: MAX_CANCELS,
    max_msgs_per_subject: 1,
    allow_msg_ttl: true,
    discard: "old",
  });
}

/** Forgets a cancel that has been dealt with. */
export async function forgetCancel(bus: Bus, subjects: Subjects, operator: string, frame: CallerFrame): Promise<void> {
  const filter = subjects.canceled(operator, frame.caller, frame.call);
  await callApi(bus, `STREAM.PURGE.${subjects.cancelStream()}`, { filter });
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
  const stream = subjects.cancelStream();
  const wanted = operator === undefined ? subjects.everyCanceled() : subjects.canceledOf(operator);
  for (let seq = 1; performance.now() < until;) {
    const found = await nextCancel(bus, stream, wanted, seq);
    if (found === undefined) return;
    seq = found.seq + 1;
    const { kind, caller, call } = found.frame;
    const name = unescapeName(found.subject.split(".")[3] as string);
    // The broker holds callers to their own subjects; what a frame says beside that is anybody's word.
    const own = kind === "cancel" && found.subject === subjects.canceled(name, caller, call);
    if (own && !await handle(found.frame, name)) continue;
    await callApi(bus, `STREAM.MSG.DELETE.${stream}`, { seq: found.seq, no_erase: true }).catch((error) => {
      if (!isApiError(error, ApiErrorCode.messageNotFound)) throw error;
    });
  }
}

async function nextCancel(bus: Bus, stream: string, filter: string, seq: number): Promise<StoredCancel | undefined> {
  try {
    const query = { seq, next_by_subj: filter };
    const { message } = await callApi<{ message: StoredMessage }>(bus, `STREAM.MSG.GET.${stream}`, query);
    const frame = decodeCallerFrame(headerOf(message, FRAME_HEADER));
    return { seq: message.seq, subject: message.subject, frame: typeof frame === "object" ? frame : BROKEN };
  } catch (error) {
    if (isApiError(error, ApiErrorCode.messageNotFound) || isApiError(error, ApiErrorCode.streamNotFound)) return undefined;
    throw error;
  }
}

/** Stands for what is no frame: no cancel, so that it is deleted. */
const BROKEN: CallerFrame = {
  ...{ kind: "probe", codec: "proto", caller: "", call: "", seq: 0, timeoutMs: 0, creditItems: 0, creditBytes: 0 },
  ...{ base: 0, once: false, method: "" },
};
