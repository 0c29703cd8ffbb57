import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus } from "../../bus/bus.ts";
import { fault } from "../error.ts";
import { type CallerFrame, decodeCallerFrame, encodeCallerFrame, FRAME_HEADER, META_HEADER } from "../frame.ts";
import { randomId } from "../ids.ts";
import { unescapeName } from "../names.ts";
import { readStoreAnswer } from "../store-answer.ts";
import { Subjects } from "../subjects.ts";
import { DEAD_ATTEMPTS_HEADER, DEAD_REASON_HEADER, DEAD_SUBJECT_HEADER } from "./request-store.ts";
import { deleteStored, getStored, headerOf, payloadOf, type StoredMessage, storedMessages } from "./stored-message.ts";

/** A request that was given up. */
export interface DeadLetter {
  /** Its number among the namespace's dead letters. */
  readonly id: number;
  /** The operator that it was for. */
  readonly operator: string;
  /** The version that it was for; `undefined` where its origin is not known. */
  readonly version: string | undefined;
  /** The priority that it had in its queue. */
  readonly priority: number;
  /** Why it was given up: `"MAX_ATTEMPTS"`, `"EXPIRED"` or `"BROKEN_FRAME"`. */
  readonly reason: string;
  /** How often it was executed; `undefined` for letters that do not say. */
  readonly attempts: number | undefined;
  /** When it was given up, on the broker's clock. */
  readonly at: Date;
  /** The method that was called, such as `inference.GRPCInferenceService/ModelInfer`; `undefined` for a broken frame. */
  readonly method: string | undefined;
  /** Who called. */
  readonly caller: string | undefined;
  /** What remained of the call's time when it was stored; 0 for no deadline. */
  readonly timeoutMs: number;
  /** Metadata as it travels; may hold secrets. `""` for none. */
  readonly metadata: string;
  /** The request message; may hold secrets. */
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** How to wait for the broker. */
export interface DeadLetterOptions {
  /** Gives up when aborted. */
  signal?: AbortSignal;
  /** How long each answer of the broker may take. Default 5,000 ms. */
  timeoutMs?: number;
}

/** Which dead letters to list. */
export interface ListDeadLettersOptions extends DeadLetterOptions {
  /** Only this operator's. Default: all operators'. */
  operator?: string;
}

/** How to put a request back. */
export interface RetryDeadLetterOptions extends DeadLetterOptions {
  /** What the request may take from now on; `Infinity` for no limit. Default: as much as it had when it was sent. */
  requestTimeoutMs?: number;
}

/** A frame that nobody gives credit to: there is no caller any more. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;

/** The requests of a namespace that were given up: to look at, to try again, to drop. */
export class DeadLetters {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #stream: string;

  /** @internal */
  constructor(bus: Bus, namespace: string) {
    this.#bus = bus;
    this.#subjects = new Subjects(namespace);
    this.#stream = this.#subjects.deadLetterStream();
  }

  /** Reads them one after the other, the oldest first. */
  async *list(options: ListDeadLettersOptions = {}): AsyncGenerator<DeadLetter> {
    const { operator, ...call } = options;
    const filter = operator === undefined ? this.#subjects.everyDeadLetter() : this.#subjects.deadLetters(operator);
    for await (const message of storedMessages(this.#bus, this.#stream, filter, call)) yield letterOf(message);
  }

  /**
   * Reads one.
   *
   * @throws {ConnectError} `not_found` when there is none with that number
   */
  async get(id: number, options?: DeadLetterOptions): Promise<DeadLetter> {
    return letterOf(await this.#message(id, "read", options));
  }

  /**
   * Puts a request back into its queue, where its attempts are counted anew, and removes the letter once it is stored. Nobody
   * waits for the answer any more. Asking twice within two minutes puts it back once.
   *
   * @returns its number in the operator's queue
   * @throws {ConnectError} `not_found` when there is no such letter, or no such queue any more; `failed_precondition` for one that
   * cannot be read; `resource_exhausted` when the queue is full. The letter stays then
   */
  async retry(id: number, options: RetryDeadLetterOptions = {}): Promise<number> {
    const message = await this.#message(id, "retry", options);
    const letter = letterOf(message);
    const frame = frameOf(message);
    const { operator, version, priority } = letter;
    if (frame === undefined || version === undefined) {
      throw fault(
        `Cannot retry dead letter ${id}: its frame must be readable, it was given up as "${letter.reason}"`,
        Code
          .FailedPrecondition,
      );
    }
    const { requestTimeoutMs = frame.timeoutMs || Infinity, signal, timeoutMs } = options;
    const anew: CallerFrame = {
      ...frame,
      kind: "post",
      call: randomId(),
      seq: 0,
      base: 0,
      timeoutMs: requestTimeoutMs === Infinity ? 0 : Math.max(1, Math.floor(requestTimeoutMs)),
      creditItems: UNLIMITED,
      creditBytes: UNLIMITED,
    };
    const headers: Record<string, string> = {
      [FRAME_HEADER]: encodeCallerFrame(anew),
      "Nats-Msg-Id": `retry.${frame.caller}.${frame.call}.${id}`,
    };
    if (letter.metadata !== "") headers[META_HEADER] = letter.metadata;
    // Built from checked names: nothing is published to a subject that a message tells.
    const subject = this.#subjects.queue(operator, version, priority);
    const refused = (why: string, code: Code, reason: string, cause?: unknown): ConnectError =>
      fault(`Cannot retry dead letter ${id} of operator "${operator}": ${why}`, code, { reason, operator }, cause);
    const reply = await this.#bus.request(subject, letter.payload, { headers, signal, timeoutMs }).catch((error) => {
      if (ConnectError.from(error).code === Code.Unavailable && this.#bus.connected) {
        throw refused(`version "${version}" of it must be declared, and is not`, Code.NotFound, "NOT_DECLARED", error);
      }
      throw error;
    });
    const answer = readStoreAnswer(reply.payload);
    if (answer?.refusal !== undefined) {
      throw refused(`the broker did not store it: ${answer.refusal.text}`, answer.refusal.code, answer.refusal.reason);
    }
    if (answer?.seq === undefined) throw refused("the broker's answer cannot be read", Code.Internal, "QUEUE_REFUSED");
    await deleteStored(this.#bus, this.#stream, id, options);
    return answer.seq;
  }

  /**
   * Removes one for good.
   *
   * @throws {ConnectError} `not_found` when there is none with that number
   */
  async drop(id: number, options?: DeadLetterOptions): Promise<void> {
    checkId(id, "drop");
    if (!await deleteStored(this.#bus, this.#stream, id, options)) throw this.#missing(id, "drop");
  }

  async #message(id: number, action: string, options?: DeadLetterOptions): Promise<StoredMessage> {
    checkId(id, action);
    const message = await getStored(this.#bus, this.#stream, { seq: id }, options);
    if (message === undefined) throw this.#missing(id, action);
    return message;
  }

  #missing(id: number, action: string): ConnectError {
    const text =
      `Cannot ${action} dead letter ${id}: there is none with this number in namespace "${this.#subjects.namespace}"`;
    return fault(text, Code.NotFound, { reason: "NO_DEAD_LETTER" });
  }
}

function checkId(id: number, action: string): void {
  if (Number.isSafeInteger(id) && id > 0) return;
  throw fault(`Cannot ${action} a dead letter: its number must be an integer from 1, got ${id}`, Code.InvalidArgument);
}

function frameOf(message: StoredMessage): CallerFrame | undefined {
  const frame = decodeCallerFrame(headerOf(message, FRAME_HEADER));
  return typeof frame === "object" ? frame : undefined;
}

function letterOf(message: StoredMessage): DeadLetter {
  const token = message.subject.split(".")[3] ?? "";
  const frame = frameOf(message);
  const attempts = headerOf(message, DEAD_ATTEMPTS_HEADER);
  return {
    id: message.seq,
    operator: unescapeName(token),
    ...originOf(headerOf(message, DEAD_SUBJECT_HEADER), token),
    reason: headerOf(message, DEAD_REASON_HEADER) ?? "",
    attempts: attempts === undefined ? undefined : Number(attempts),
    at: new Date(message.time),
    method: frame?.method,
    caller: frame?.caller,
    timeoutMs: frame?.timeoutMs ?? 0,
    metadata: headerOf(message, META_HEADER) ?? "",
    payload: payloadOf(message),
  };
}

/** Version and priority out of `wb.<namespace>.q.<operator>.<version>.<priority>`. */
function originOf(subject: string | undefined, operator: string): { version: string | undefined; priority: number } {
  const [, , kind, name, version, priority = ""] = subject?.split(".") ?? [];
  const known = kind === "q" && name === operator && version !== undefined && /^\d{1,3}$/.test(priority);
  return known ? { version: unescapeName(version), priority: Number(priority) } : { version: undefined, priority: 0 };
}
