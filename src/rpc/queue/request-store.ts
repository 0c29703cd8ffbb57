import type { BusMessage } from "../../bus/bus.ts";
import type { CallerFrame } from "../frame.ts";
import type { OperatorDeclaration } from "../../../gen/waybill/v1/discovery_pb.ts";

/** A request as it came out of the queue. */
export interface StoredRequest {
  readonly message: BusMessage;
  /** Its number in the operator's queue. */
  readonly seq: number;
  /** How often it was handed to a worker, this time included. */
  readonly deliveries: number;
  /** Milliseconds since it was stored, on the broker's clock. */
  readonly ageMs: number;
  /** Where in-progress beats go; `undefined` when none are needed. */
  readonly progressSubject: string | undefined;
  /** Takes it out of the queue; does not wait for the broker. */
  acknowledge(): void;
  /** Gives it back to the queue: another worker gets it at once. */
  release(): void;
  /** Takes it out of the queue and waits until the broker has done so. */
  confirm(): Promise<void>;
}

/** Who takes requests. */
export interface PullSink {
  /** How many more requests may be handed over now. */
  free(): number;
  deliver(request: StoredRequest): void;
  /** The operator as it is declared now, to make a queue again that was lost. */
  declare(): Promise<OperatorDeclaration>;
  /** The connection was lost, or the queue, and is there again: called before anything else is delivered. Never rejects. */
  repaired(): Promise<void>;
}

/** A worker's pull on one operator version. */
export interface Pull {
  /** Slots may have become free: asks for as many requests, once per turn of the loop. */
  demand(): void;
  /** Asks for no more; resolves once what was on its way has been delivered. */
  stop(): Promise<void>;
}

/** Where queued requests are kept, and how workers and janitors get at them. */
export interface RequestStore {
  /** Makes the operator's queue, or brings it to this declaration. */
  declare(declaration: OperatorDeclaration): Promise<void>;
  /** Begins to pull. */
  open(declaration: OperatorDeclaration, version: string, sink: PullSink): Pull;
  /** Takes a canceled request out of the queue, after checking that it is that caller's. */
  remove(operator: string, seq: number, caller: string, call: string): Promise<boolean>;
  /**
   * Takes requests out of the queue that were canceled while nobody was there to hear it. `unnumbered` is told of those whose
   * callers did not know their number: they may be stored, or on their way. To be called before the first pull.
   */
  sweep(operator: string, unnumbered: (frame: CallerFrame) => void): Promise<void>;
  /** How often a request that was delivered before has begun to be executed: 1 where nobody knows better. */
  attempts(operator: string, frame: CallerFrame): Promise<number>;
  /** Remembers that it begins to be executed for the n-th time. */
  countAttempt(operator: string, frame: CallerFrame, attempt: number): Promise<void>;
  /** Forgets how often: it has been dealt with. */
  forgetAttempts(operator: string, frame: CallerFrame): Promise<void>;
  /** Whether that caller's request is still stored. */
  has(operator: string, seq: number, caller: string, call: string): Promise<boolean>;
  /** Puts a request that is given up after so many attempts into the dead letters; the caller acknowledges it then. */
  bury(operator: string, request: StoredRequest, reason: string, attempts: number): Promise<void>;
  close(): Promise<void>;
}

/** Header that says why a dead letter was given up. */
export const DEAD_REASON_HEADER = "wb-dead-reason";
/** Header that says how often a dead letter was executed. */
export const DEAD_ATTEMPTS_HEADER = "wb-dead-attempts";
/** Header that says which subject a dead letter came from. */
export const DEAD_SUBJECT_HEADER = "wb-dead-subject";
