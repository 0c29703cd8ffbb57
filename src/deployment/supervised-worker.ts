import process from "node:process";
import type { InstanceRecord } from "../../gen/waybill/v1/discovery_pb.ts";
import { Code } from "@connectrpc/connect";
import type { Login } from "../bus/credentials.ts";
import { redactUrl } from "../bus/urls.ts";
import { fault } from "../rpc/error.ts";
import { backoffMs } from "./backoff.ts";
import type { Guard } from "./broker/guard.ts";
import { Child } from "./child-process.ts";
import type { DeploymentEvent } from "./events.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { exitCodeOf, exitText, type ProcessExit } from "./exit.ts";
import type { WorkerPlan } from "./component-plan.ts";
import type { DeploymentPlan } from "./plan.ts";
import type { WorkerState, WorkerStatus } from "./status.ts";
import { shownEnvironment } from "./shown-environment.ts";
import { workerEnvironment } from "./worker-environment.ts";

/** Serving this long ends a row of restarts. */
const stableMs = 10_000;
/** Restarts of a worker that never was ready: what is wrong with it at the start rarely rights itself. */
const firstRestarts = 2;
/** How much longer than its draining a worker may take to end. */
const graceMs = 2_000;

/** Settings of the deployment that a worker is told once, when it starts. */
export const toldFields: readonly ["logLevel", "drainMs", "ackWaitMs"] = ["logLevel", "drainMs", "ackWaitMs"];

/** What a worker's supervision needs of its deployment. */
export interface WorkerHost {
  readonly plan: DeploymentPlan;
  /** Brokers for the workers. */
  readonly servers: readonly string[];
  /** Who a worker is to be at the deployment's own broker; `undefined` at any other. */
  readonly login: (worker: WorkerPlan) => Login | undefined;
  /** The address of a worker's sidecar; `undefined` where it has none. */
  readonly sidecarOf: (worker: WorkerPlan) => string | undefined;
  readonly guard: Guard;
  readonly emit: (event: DeploymentEvent) => void;
  /** Its process has ended without a goodbye: discovery would have its instance until the lease runs out. */
  readonly reaped: (instance: string) => void;
}

/** Keeps one worker running. Its states are those of {@linkcode WorkerState}. */
export class SupervisedWorker {
  /** Settles when it is ready for the first time; rejects when it is given up before that. */
  readonly ready: Promise<void>;
  readonly #plan: WorkerPlan;
  readonly #host: WorkerHost;
  readonly #settle: { resolve: () => void; reject: (error: unknown) => void };
  #state: WorkerState = "starting";
  #child: Child | undefined;
  #record: InstanceRecord | undefined;
  #startedAtMs: number | undefined;
  #readyAt: number | undefined;
  #everReady = false;
  /** Whether it had begun to serve when it was told to stop. */
  #served = false;
  #restarts = 0;
  #inARow = 0;
  #lastExit: ProcessExit | undefined;
  #lastLines: readonly string[] = [];
  #reason: string | undefined;
  #told: Pick<DeploymentPlan, (typeof toldFields)[number]>;
  #fingerprint: Promise<string> = Promise.resolve("");
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(plan: WorkerPlan, host: WorkerHost) {
    this.#plan = plan;
    this.#host = host;
    this.#told = host.plan;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#settle = { resolve, reject };
    // Nobody may be waiting any more.
    promise.catch(() => {});
  }

  get name(): string {
    return this.#plan.name;
  }

  /** What it was made of. */
  get plan(): WorkerPlan {
    return this.#plan;
  }

  /** Of the code that its process was started with. */
  get fingerprint(): Promise<string> {
    return this.#fingerprint;
  }

  /** What its process was told when it was started. */
  get told(): Pick<DeploymentPlan, (typeof toldFields)[number]> {
    return this.#told;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** What discovery has of it, while it does. */
  get record(): InstanceRecord | undefined {
    return this.#record;
  }

  get status(): WorkerStatus {
    const { name, component, file, runtime, metricsPort, logFile } = this.#plan;
    const serves = this.#record?.operators.map((operator) => operator.name) ?? this.#plan.operators ?? [];
    return {
      name,
      component,
      file,
      runtime,
      state: this.#state,
      reason: this.#reason,
      pid: this.#child?.pid,
      startedAtMs: this.#child === undefined ? undefined : this.#startedAtMs,
      restarts: this.#restarts,
      lastExit: this.#lastExit,
      lastLines: this.#lastLines,
      metricsUrl: metricsPort === undefined ? undefined : `http://127.0.0.1:${metricsPort}/metrics`,
      logFile,
      operators: serves,
      instance: this.#record?.instance,
    };
  }

  /** Starts its process. */
  start(): void {
    const { plan, servers, login, sidecarOf, guard, emit } = this.#host;
    const { name, file, runtime, command, args, operators, metricsPort, logFile } = this.#plan;
    this.#state = "starting";
    this.#startedAtMs = Date.now();
    const env = workerEnvironment(plan, this.#plan, servers, login(this.#plan), sidecarOf(this.#plan));
    this.#fingerprint = fingerprintOf(file);
    const child = new Child({ command: [...command, file, ...args], env, logFile, guard });
    this.#child = child;
    this.#ended = child.exited.then((exit) => this.#onExit(child, exit));
    const { namespace, logLevel, drainMs, ackWaitMs } = plan;
    this.#told = { logLevel, drainMs, ackWaitMs };
    const config = {
      name,
      file,
      runtime,
      args,
      operators: operators ?? "all of the file",
      url: servers.map(redactUrl),
      namespace,
      log_level: logLevel,
      log_file: logFile,
      metrics_port: metricsPort ?? "off",
      drain_ms: drainMs,
      env: shownEnvironment(env, process.env),
    };
    emit({ type: "worker-starting", worker: this.status, config });
  }

  /** Discovery has it, or something about it changed. */
  registered(record: InstanceRecord): void {
    this.#record = record;
    if (this.#state !== "starting" && this.#state !== "lost") return;
    const wasStarting = this.#state === "starting";
    this.#state = "ready";
    if (wasStarting) this.#readyAt = performance.now();
    this.#everReady = true;
    this.#reason = undefined;
    this.#lastLines = [];
    this.#settle.resolve();
    this.#host.emit({ type: "worker-ready", worker: this.status });
  }

  /** Discovery has it no longer. */
  unregistered(): void {
    if (this.#state !== "ready") return;
    this.#state = "lost";
    this.#reason = "has not renewed its lease: its loop is blocked, or the broker is away";
    this.#host.emit({ type: "worker-lost", worker: this.status });
  }

  /**
   * Lets it drain, and ends it by force when that takes more than `drainMs` and a little. May be called again with less time; 0 ends
   * it at once.
   *
   * @returns its exit code, 0 for a clean one
   */
  async stop(drainMs: number): Promise<number> {
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === undefined) {
      if (this.#state !== "failed") this.#state = "stopped";
      this.#settle.reject(this.#stoppedBefore());
      return this.#lastExit === undefined ? 0 : exitCodeOf(this.#lastExit) || 1;
    }
    if (this.#state !== "draining") {
      this.#served = this.#state !== "starting";
      this.#state = "draining";
      this.#reason = undefined;
      this.#settle.reject(this.#stoppedBefore());
      this.#host.emit({ type: "worker-stopping", worker: this.status });
      child.terminate();
    }
    if (drainMs <= 0) child.kill();
    else this.#timer = setTimeout(() => child.kill(), drainMs + graceMs);
    await this.#ended;
    clearTimeout(this.#timer);
    const exit = this.#lastExit;
    // Before it serves it has nothing to drain, and does not catch the signal.
    return exit === undefined || !this.#served && exit.signal === "SIGTERM" ? 0 : exitCodeOf(exit);
  }

  async #onExit(child: Child, exit: ProcessExit): Promise<void> {
    this.#child = undefined;
    if (this.#record !== undefined && exit.code !== 0) this.#host.reaped(this.#record.instance);
    this.#record = undefined;
    this.#lastExit = exit;
    const { emit } = this.#host;
    if (this.#state === "draining") {
      this.#state = "stopped";
      return emit({ type: "worker-stopped", worker: { ...this.status, pid: child.pid }, exit });
    }
    if (this.#readyAt !== undefined && performance.now() - this.#readyAt >= stableMs) this.#inARow = 0;
    this.#readyAt = undefined;
    const { restart } = this.#host.plan;
    const limit = this.#everReady ? restart.maxRestarts : Math.min(restart.maxRestarts, firstRestarts);
    const inARow = ++this.#inARow;
    const giveUp = inARow > limit;
    this.#state = giveUp ? "failed" : inARow > 1 ? "crash-looping" : "restarting";
    const restartInMs = giveUp ? undefined : backoffMs(restart, inARow);
    this.#reason = `ended with ${exitText(exit)}, ${times(inARow)}, and ${
      giveUp ? "was given up" : `starts again in ${((restartInMs ?? 0) / 1000).toFixed(1)} s`
    }`;
    if (restartInMs !== undefined) {
      this.#timer = setTimeout(() => {
        this.#restarts++;
        this.start();
      }, restartInMs);
    }
    const log = await child.tail();
    this.#lastLines = log;
    emit({ type: "worker-exited", worker: this.status, exit, inARow, restartInMs, log });
    if (giveUp) this.#settle.reject(this.#failure(exit, log));
  }

  #stoppedBefore(): Error {
    return fault(`Cannot start the worker "${this.name}": it was stopped before it was ready`, Code.Canceled);
  }

  #failure(exit: ProcessExit, log: readonly string[]): Error {
    // The likeliest reason for a program that ends quietly.
    const hint = exit.code === 0 ? `; its file's default export must be a worker (defineWorker)` : "";
    const what = `Cannot start the worker "${this.name}": it ended ${times(this.#inARow)}, last with ${exitText(exit)}${hint}`;
    const end = log.length === 0 ? "Its log is empty" : `Its log ends with:\n${log.join("\n")}`;
    return fault(`${what}. ${end}\nThe log is ${this.#plan.logFile}`, Code.FailedPrecondition);
  }
}

function times(inARow: number): string {
  return inARow === 1 ? "once" : `${inARow} times in a row`;
}
