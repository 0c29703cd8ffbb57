/**
 * The frames of Connect over the bus. A frame is a message whose header `wb` holds the fields below, separated by spaces,
 * in this order; its payload is the encoded protobuf message, or Connect's error JSON. User metadata travels in `wb-meta`.
 *
 * ```
 * from a caller:    1 request proto <caller> <call> <seq> <timeoutMs> <items> <bytes> <base> <once> <method> [<traceparent>]
 * from an instance: 1 response proto <instance> <attempt> <seq> <word>
 * several of them:  1 pack (<call> <bytes> response proto <instance> <attempt> <seq> <word>)...
 * ```
 *
 * A request of a method whose caller streams holds the first message when its `seq` is 1, and none when it is 0.
 *
 * A trace context that is a `traceparent` and nothing else is a field of its own, at the end: traced calls then need no metadata.
 *
 * One short header instead of one per field: building and parsing headers is the largest cost of a small call. A pack holds
 * frames without metadata for several calls of one caller; its payload is theirs, one after the other.
 *
 * @module
 */
import { isId, isOwnedId } from "./ids.ts";

/** Bumped when an old peer could misunderstand a frame; a peer answers frames of another version with `unimplemented`. */
export const PROTOCOL_VERSION = "1";
/** The header that makes a message a frame. */
export const FRAME_HEADER = "wb";
/** The header of user metadata. */
export const META_HEADER = "wb-meta";

/** Room for a frame's own headers beside a payload, in what the broker takes for a message. */
export const HEADER_ROOM_BYTES = 512;
/** Stands in an answer's subject for a call's id where the message is a pack. No id looks like it. */
export const PACK_CALL = "+";

const CALLER_KINDS = ["request", "post", "item", "half-close", "credit", "cancel", "probe"] as const;
const ANSWER_KINDS = ["response", "item", "error", "end", "credit", "heartbeat", "moved"] as const;
const CODECS = ["proto", "json"] as const;

/** What a caller sends: `request` and `post` (no answer wanted) open a call, the others belong to one. */
export type CallerFrameKind = typeof CALLER_KINDS[number];
/** What an instance sends. `response`, `error` and `end` are final. */
export type AnswerFrameKind = typeof ANSWER_KINDS[number];
/** How payloads are encoded. */
export type Codec = typeof CODECS[number];

/** A frame on its way to an instance. */
export interface CallerFrame {
  readonly kind: CallerFrameKind;
  readonly codec: Codec;
  readonly caller: string;
  readonly call: string;
  /**
   * Of items: counts from 1; `half-close` has the number after the last one, a credit that of the last one sent before it. Of
   * cancels and probes: the stored sequence of the request, 0 when unknown.
   */
  readonly seq: number;
  /** What remained of the call's time when it was sent; 0 is no deadline. */
  readonly timeoutMs: number;
  /** Answer items that the caller takes, in total since the call began. */
  readonly creditItems: number;
  /** Answer bytes that the caller takes, in total since the call began. */
  readonly creditBytes: number;
  /** Added to delivery counts, so that attempts still rise after a delegation. */
  readonly base: number;
  /** At most once: the request is acknowledged before it is executed, and lost with its worker. */
  readonly once: boolean;
  /** `package.Service/Method`, of frames that open a call. */
  readonly method: string;
  /** The call's `traceparent`, of frames that open one; empty where there is none, or where it stands in the metadata. */
  readonly trace: string;
}

/** A frame on its way to a caller. */
export interface AnswerFrame {
  readonly kind: AnswerFrameKind;
  readonly codec: Codec;
  readonly instance: string;
  /** Which execution of the request this belongs to: a caller accepts frames of one attempt only. */
  readonly attempt: number;
  /** Items count from 1; `end` has the number after the last item, `credit` that of the last one sent before it. */
  readonly seq: number;
  /** Of `heartbeat`: `running`, `queued` or `unknown`. Of `moved`: the operator's token. Of `credit`: the totals. Else `-`. */
  readonly word: string;
}

/** The value of the `wb` header for a caller's frame. */
export function encodeCallerFrame(frame: CallerFrame): string {
  return `${PROTOCOL_VERSION} ${frame.kind} ${frame.codec} ${frame.caller} ${frame.call} ${frame.seq} ${frame.timeoutMs} ` +
    `${frame.creditItems} ${frame.creditBytes} ${frame.base} ${frame.once ? 1 : 0} ${frame.method || "-"}` +
    (frame.trace === "" ? "" : ` ${frame.trace}`);
}

/** The value of the `wb` header for an instance's frame. */
export function encodeAnswerFrame(
  kind: AnswerFrameKind,
  codec: Codec,
  instance: string,
  attempt: number,
  seq: number,
  word = "-",
): string {
  return `${PROTOCOL_VERSION} ${kind} ${codec} ${instance} ${attempt} ${seq} ${word}`;
}

/** Reads a caller's frame; `undefined` for garbage, `"version"` for a well-meant frame of another protocol version. */
export function decodeCallerFrame(value: string | undefined): CallerFrame | "version" | undefined {
  const fields = value?.split(" ");
  if (fields === undefined) return undefined;
  if (fields[0] !== PROTOCOL_VERSION) return /^\d{1,4}$/.test(fields[0] ?? "") ? "version" : undefined;
  const kind = member(CALLER_KINDS, fields[1]);
  const codec = member(CODECS, fields[2]);
  const [caller, call, method] = [fields[3], fields[4], fields[11]];
  const trace = fields[12] ?? "";
  const seq = whole(fields[5]);
  const timeoutMs = whole(fields[6]);
  const creditItems = whole(fields[7]);
  const creditBytes = whole(fields[8]);
  const base = whole(fields[9]);
  if (
    fields.length < 12 || fields.length > 13 || kind === undefined || codec === undefined || !isOwnedId(caller) ||
    !isId(call) || method === undefined || !isTrace(trace) || seq < 0 || timeoutMs < 0 || creditItems < 0 || creditBytes < 0 ||
    base < 0
  ) return undefined;
  return { kind, codec, caller, call, seq, timeoutMs, creditItems, creditBytes, base, once: fields[10] === "1", method, trace };
}

/** Whether a text may stand in a frame as its trace context: a `traceparent` of any version, or nothing. */
export function isTrace(text: string): boolean {
  return text === "" || TRACEPARENT.test(text);
}

const TRACEPARENT = /^[0-9a-f]{2}(?:-[0-9a-f]+){3,8}$/;

/** The caller and call that a frame of another version names, so that it can be told; ids keep their places in all versions. */
export function addressOf(value: string): { caller: string; call: string } | undefined {
  const [, , , caller, call] = value.split(" ");
  return isOwnedId(caller) && isId(call) ? { caller, call } : undefined;
}

/** Reads an instance's frame; `undefined` for garbage and for other versions. */
export function decodeAnswerFrame(value: string | undefined): AnswerFrame | undefined {
  const fields = value?.split(" ");
  if (fields?.length !== 7 || fields[0] !== PROTOCOL_VERSION) return undefined;
  return answerFrameAt(fields, 1);
}

/** A frame of a pack. */
export interface PackedFrame {
  /** The call it is for. */
  readonly call: string;
  /** Its `wb` header, were it alone. */
  readonly header: string;
  readonly payload: Uint8Array;
}

const PACKED_FIELDS = 8;

/** The value of the `wb` header of a pack. */
export function encodePack(frames: readonly PackedFrame[]): string {
  let header = `${PROTOCOL_VERSION} pack`;
  for (const frame of frames) header += ` ${frame.call} ${frame.payload.length}${frame.header.slice(PROTOCOL_VERSION.length)}`;
  return header;
}

/** Hands out the frames of a pack, in order. Returns `false` for garbage: what was whole before it has been handed out. */
export function readPack(
  value: string | undefined,
  payload: Uint8Array,
  onFrame: (call: string, frame: AnswerFrame, payload: Uint8Array) => void,
): boolean {
  const fields = value?.split(" ");
  if (fields === undefined || fields[0] !== PROTOCOL_VERSION || fields[1] !== "pack") return false;
  let at = 0;
  for (let i = 2; i < fields.length; i += PACKED_FIELDS) {
    const end = at + whole(fields[i + 1]);
    const frame = answerFrameAt(fields, i + 2);
    if (frame === undefined || end < at || end > payload.length) return false;
    onFrame(fields[i]!, frame, payload.subarray(at, end));
    at = end;
  }
  return at === payload.length;
}

function answerFrameAt(fields: readonly string[], at: number): AnswerFrame | undefined {
  const kind = member(ANSWER_KINDS, fields[at]);
  const codec = member(CODECS, fields[at + 1]);
  const instance = fields[at + 2];
  const attempt = whole(fields[at + 3]);
  const seq = whole(fields[at + 4]);
  const word = fields[at + 5];
  if (kind === undefined || codec === undefined || !isOwnedId(instance) || attempt < 0 || seq < 0 || word === undefined) {
    return undefined;
  }
  return { kind, codec, instance, attempt, seq, word };
}

/** Totals that an instance takes of a caller's stream since the call began, as the word of a `credit` frame. */
export function encodeCredit(items: number, bytes: number): string {
  return `${items}:${bytes}`;
}

/** Reads the totals of a `credit` frame; `undefined` for garbage. */
export function creditOf(frame: AnswerFrame): { readonly items: number; readonly bytes: number } | undefined {
  const [items, bytes] = frame.word.split(":").map(whole);
  return items === undefined || bytes === undefined || items < 0 || bytes < 0 ? undefined : { items, bytes };
}

function member<T extends string>(set: readonly T[], text: string | undefined): T | undefined {
  return set.includes(text as T) ? text as T : undefined;
}

/** A non-negative safe integer, or -1. */
function whole(text: string | undefined): number {
  const value = Number(text);
  return text !== "" && Number.isSafeInteger(value) && value >= 0 ? value : -1;
}
