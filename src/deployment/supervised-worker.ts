import type { InstanceRecord } from "../../gen/waybill/v1/discovery_pb.ts";
import { Code } from "@connectrpc/connect";
import type { Login } from "../bus/credentials.ts";
import { redactUrl } from "../bus/urls.ts";
import { fault } from "../rpc/error.ts";
import { backoffMs } from "./backoff.ts";
import type { Guard } from "./broker/guard.ts";
import { Child } from "./child-process.ts";
import type { DeploymentEvent } from "./events.ts";
import { exitCodeOf, exitText, type ProcessExit } from "./exit.ts";
import type { DeploymentPlan, WorkerPlan } from "./plan.ts";
import type { WorkerState, WorkerStatus } from "./status.ts";
import { workerEnvironment } from "./worker-environment.ts";

/** Serving this long ends a row of restarts. */
const stableMs = 10_000;
/** Restarts of a worker that never was ready: what is wrong with it at the start rarely rights itself. */
const firstRestarts = 2;
/** How much longer than its draining a worker may take to end. */
const graceMs = 2_000;

/** What a worker's supervision needs of its deployment. */
export interface WorkerHost {
  readonly plan: DeploymentPlan;
  /** Brokers for the workers. */
  readonly servers: readonly string[];
  /** Who its process is to be at the deployment's own broker; `undefined` at any other. */
  readonly login: Login | undefined;
  readonly guard: Guard;
  readonly emit: (event: DeploymentEvent) => void;
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
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(plan: WorkerPlan, host: WorkerHost) {
    this.#plan = plan;
    this.#host = host;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#settle = { resolve, reject };
    // Nobody may be waiting any more.
    promise.catch(() => {});
  }

  get name(): string {
    return this.#plan.name;
  }

  get status(): WorkerStatus {
    const { name, file, runtime, metricsPort, logFile } = this.#plan;
    const serves = this.#record?.operators.map((operator) => operator.name) ?? this.#plan.operators ?? [];
    return {
      name,
      file,
      runtime,
      state: this.#state,
      pid: this.#child?.pid,
      startedAtMs: this.#child === undefined ? undefined : this.#startedAtMs,
      restarts: this.#restarts,
      lastExit: this.#lastExit,
      metricsUrl: metricsPort === undefined ? undefined : `http://127.0.0.1:${metricsPort}/metrics`,
      logFile,
      operators: serves,
      instance: this.#record?.instance,
    };
  }

  /** Starts its process. */
  start(): void {
    const { plan, servers, login, guard, emit } = this.#host;
    const { name, file, runtime, command, args, operators, metricsPort, logFile } = this.#plan;
    this.#state = "starting";
    this.#startedAtMs = Date.now();
    const env = workerEnvironment(plan, this.#plan, servers, login);
    const child = new Child({ command: [...command, file, ...args], env, logFile, guard });
    this.#child = child;
    this.#ended = child.exited.then((exit) => this.#onExit(child, exit));
    const { namespace, logLevel, drainMs } = plan;
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
    this.#settle.resolve();
    this.#host.emit({ type: "worker-ready", worker: this.status });
  }

  /** Discovery has it no longer. */
  unregistered(): void {
    if (this.#state !== "ready") return;
    this.#state = "lost";
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
      return this.#lastExit === undefined ? 0 : exitCodeOf(this.#lastExit) || 1;
    }
    if (this.#state !== "stopping") {
      this.#served = this.#state !== "starting";
      this.#state = "stopping";
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
    this.#record = undefined;
    this.#lastExit = exit;
    const { emit } = this.#host;
    if (this.#state === "stopping") {
      this.#state = "stopped";
      return emit({ type: "worker-stopped", worker: { ...this.status, pid: child.pid }, exit });
    }
    if (this.#readyAt !== undefined && performance.now() - this.#readyAt >= stableMs) this.#inARow = 0;
    this.#readyAt = undefined;
    const { restart } = this.#host.plan;
    const limit = this.#everReady ? restart.maxRestarts : Math.min(restart.maxRestarts, firstRestarts);
    const inARow = ++this.#inARow;
    const giveUp = inARow > limit;
    this.#state = giveUp ? "failed" : "restarting";
    const restartInMs = giveUp ? undefined : backoffMs(restart, inARow);
    if (restartInMs !== undefined) {
      this.#timer = setTimeout(() => {
        this.#restarts++;
        this.start();
      }, restartInMs);
    }
    const log = await child.tail();
    emit({ type: "worker-exited", worker: this.status, exit, inARow, restartInMs, log });
    if (giveUp) this.#settle.reject(this.#failure(exit, log));
  }

  #failure(exit: ProcessExit, log: readonly string[]): Error {
    const often = this.#inARow === 1 ? "once" : `${this.#inARow} times in a row`;
    // The likeliest reason for a program that ends quietly.
    const hint = exit.code === 0 ? `; its file's default export must be a worker (defineWorker)` : "";
    const what = `Cannot start the worker "${this.name}": it ended ${often}, last with ${exitText(exit)}${hint}`;
    const end = log.length === 0 ? "Its log is empty" : `Its log ends with:\n${log.join("\n")}`;
    return fault(`${what}. ${end}\nThe log is ${this.#plan.logFile}`, Code.FailedPrecondition);
  }
}
