import process from "node:process";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BatchRequestSchema,
  type BatchResponse,
  type Operation,
  type OperationResult,
  SessionService,
} from "../../../gen/waybill/v1/session_pb.ts";
import { errorDetail } from "../../rpc/error.ts";
import type { SocketClient } from "./socket-client.ts";
import { failureOf } from "./operation-error.ts";

/** What is asked of the sidecar. */
export type OperationKind = Extract<Operation["kind"], { case: string }>;
/** What it answers to what succeeded. */
export type ResultKind = Exclude<Extract<OperationResult["kind"], { case: string }>, { case: "error" }>;

/** Batches on their way at once; what comes meanwhile goes together in the next. */
const MAX_RUNNING = 4;

interface Waiting {
  readonly kind: OperationKind;
  readonly resolve: (result: ResultKind) => void;
  readonly reject: (error: ConnectError) => void;
}

/** How a queue sends. */
export interface BatchQueueOptions {
  readonly client: SocketClient;
  /** The session's id, a secret. */
  readonly session: Uint8Array;
  /** Operations in one batch at most. */
  readonly maxOperations: number;
  /** How long a batch may take. */
  readonly timeoutMs: number;
}

/** A session's operations: those of one turn of the loop go in one message. */
export class BatchQueue {
  readonly #options: BatchQueueOptions;
  #waiting: Waiting[] = [];
  #running = 0;
  #scheduled = false;
  #ended: ConnectError | undefined;

  constructor(options: BatchQueueOptions) {
    this.#options = options;
  }

  /**
   * Does something at the sidecar.
   *
   * @throws {ConnectError} what the sidecar answers; `unavailable` when the session or the connection ends first
   */
  run(kind: OperationKind): Promise<ResultKind> {
    const ended = this.#ended;
    if (ended !== undefined) return Promise.reject(ended);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ kind, resolve, reject });
      this.#schedule();
    });
  }

  /** Does something in a message of its own: other operations need not wait for it. */
  async runAlone(kind: OperationKind, options: { timeoutMs: number; signal?: AbortSignal }): Promise<ResultKind> {
    if (this.#ended !== undefined) throw this.#ended;
    const { promise, resolve, reject } = Promise.withResolvers<ResultKind>();
    void this.#send([{ kind, resolve, reject }], options.timeoutMs, options.signal);
    return await promise;
  }

  /** Fails whatever waits, and what comes later. */
  end(error: ConnectError): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
  }

  #schedule(): void {
    if (this.#scheduled || this.#running >= MAX_RUNNING || this.#waiting.length === 0) return;
    this.#scheduled = true;
    const flush = () => {
      this.#scheduled = false;
      void this.#flush();
    };
    // Nobody is to wait for what may not come; while others are on their way there is time to gather.
    if (this.#running === 0) process.nextTick(flush);
    else setImmediate(flush);
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting.splice(0, this.#options.maxOperations);
    if (batch.length === 0) return;
    this.#running++;
    this.#schedule();
    await this.#send(batch, this.#options.timeoutMs);
    this.#running--;
    this.#schedule();
  }

  async #send(batch: Waiting[], timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const { client, session } = this.#options;
    let response: BatchResponse;
    try {
      const operations = batch.map(({ kind }): Operation => ({ $typeName: "waybill.v1.Operation", kind }));
      const request = create(BatchRequestSchema, { session, operations });
      response = await client.call(SessionService.method.batch, request, timeoutMs, signal);
    } catch (error) {
      const failure = this.#ended ?? sessionError(error);
      for (const { reject } of batch) reject(failure);
      return;
    }
    batch.forEach(({ resolve, reject }, at) => {
      const kind = response.results[at]?.kind;
      if (kind === undefined || kind.case === undefined) {
        reject(new ConnectError("Cannot ask the sidecar: it must answer each operation, got no answer", Code.DataLoss));
      } else if (kind.case === "error") reject(failureOf(kind.value));
      else resolve(kind);
    });
  }
}

/** A sidecar that does not know the session any more is as good as none. */
function sessionError(error: unknown): ConnectError {
  if (errorDetail(error)?.reason !== "NOT_ATTACHED") return ConnectError.from(error);
  const { rawMessage } = ConnectError.from(error);
  return new ConnectError(rawMessage, Code.Unavailable, undefined, undefined, error);
}
