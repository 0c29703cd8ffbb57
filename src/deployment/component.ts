import { Code } from "@connectrpc/connect";
import { unlessAborted } from "../rpc/deadline.ts";
import { abortError, fault } from "../rpc/error.ts";
import type { ChangeProgress, ReplaceOrder } from "./changes.ts";
import { type ComponentPlan, type WorkerPlan, workerPlan } from "./component-plan.ts";
import { exitText } from "./exit.ts";
import { healthOfAll } from "./health.ts";
import type { MetricsPorts } from "./metrics-ports.ts";
import type { ComponentStatus } from "./status.ts";
import { SupervisedWorker, type WorkerHost } from "./supervised-worker.ts";
import { servedBy } from "./versions-left.ts";

/** What a component needs of its deployment. */
export interface ComponentHost extends WorkerHost {
  readonly ports: MetricsPorts;
  /** Hands what only leaving workers serve on to others, and waits until nothing is left to do that only they can do. */
  readonly succeeded: (leaving: Leaving, signal: AbortSignal) => Promise<void>;
}

/** Workers that leave, or have left, and what they serve, or served. */
export interface Leaving {
  readonly workers: readonly SupervisedWorker[];
  readonly served: ReturnType<typeof servedBy>;
  /** Their ids in discovery. */
  readonly instances: readonly string[];
}

function leavingOf(workers: readonly SupervisedWorker[]): Leaving {
  const instances = workers.flatMap(({ record }) => record === undefined ? [] : [record.instance]);
  return { workers, served: servedBy(workers), instances };
}

/** How far a change may go. */
export interface ChangeBounds {
  readonly signal: AbortSignal;
  readonly drainMs: number;
  readonly onProgress: (progress: ChangeProgress) => void;
}

/** The workers of one entry of a deployment, which are made more, fewer, or others, one change at a time. */
export class Component {
  #plan: ComponentPlan;
  #count: number;
  readonly #host: ComponentHost;
  #workers: SupervisedWorker[] = [];
  /** Why a worker is missing that was to replace another. */
  #failure: string | undefined;

  constructor(plan: ComponentPlan, host: ComponentHost) {
    this.#plan = plan;
    this.#count = plan.count ?? 1;
    this.#host = host;
  }

  get name(): string {
    return this.#plan.name;
  }

  /** What its next workers are made of. */
  get plan(): ComponentPlan {
    return this.#plan;
  }

  /** How many workers it is to have. */
  get count(): number {
    return this.#count;
  }

  /** Its workers, by number; those that drain are among them. */
  get workers(): readonly SupervisedWorker[] {
    return this.#workers;
  }

  /** Those of its workers that are to stay. */
  get staying(): SupervisedWorker[] {
    return this.#workers.filter(({ state }) => state !== "draining" && state !== "stopped");
  }

  get status(): ComponentStatus {
    const { name, file, runtime } = this.#plan;
    const workers = this.#workers.map(({ status }) => status);
    const ready = workers.filter(({ state }) => state === "ready").length;
    const missing = this.#failure !== undefined && this.staying.length < this.#count;
    const health = missing ? { health: "failed", reason: this.#failure } as const : healthOfAll(workers);
    return { name, file, runtime, count: this.#count, ready, ...health };
  }

  /** Starts its first workers; their `ready` tells how that goes. */
  begin(plans: readonly WorkerPlan[]): void {
    for (const plan of plans) {
      this.#host.ports.note(plan.metricsPort);
      this.#insert(plan).start();
    }
  }

  /**
   * Makes it this many workers: starts more of them, or lets those of the highest numbers drain.
   *
   * @throws {ConnectError} when one does not serve; it is taken out then, and the others stay
   */
  async scale(count: number, bounds: ChangeBounds): Promise<void> {
    const staying = this.staying;
    this.#failure = undefined;
    this.#count = count;
    const leaving = staying.toSorted((a, b) => b.plan.number - a.plan.number).slice(0, Math.max(0, staying.length - count));
    await this.#host.succeeded(leavingOf(leaving), bounds.signal);
    await unlessAborted(Promise.all(leaving.map((worker) => this.#drain(worker, bounds))), bounds.signal);
    const numbers = new Set(staying.map(({ plan }) => plan.number));
    const added: SupervisedWorker[] = [];
    for (let number = 0; staying.length - leaving.length + added.length < count; number++) {
      if (!numbers.has(number)) added.push(await this.#add(number));
    }
    const outcomes = await Promise.allSettled(added.map((worker) => this.#serve(worker, bounds)));
    this.#count = Math.min(count, this.staying.length);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  /**
   * Replaces workers by new ones of the same numbers, one by one.
   *
   * @param plan what the new ones are made of
   * @throws {ConnectError} when a new one does not serve: with `start-first` it is taken out again, with `stop-first` there is one fewer;
   * those after it are left as they were
   */
  async replace(
    plan: ComponentPlan,
    old: readonly SupervisedWorker[],
    order: ReplaceOrder,
    bounds: ChangeBounds,
  ): Promise<void> {
    const { signal } = bounds;
    this.#failure = undefined;
    for (const worker of old) {
      if (signal.aborted) throw abortError(signal);
      const { number } = worker.plan;
      const leaving = leavingOf([worker]);
      // What does not serve has nothing to be kept for.
      if (order === "stop-first" || worker.state !== "ready") {
        await this.#host.succeeded(leaving, signal);
        await unlessAborted(this.#drain(worker, bounds), signal);
        await this.#serve(await this.#add(number, plan), bounds);
        // The only one had nobody to hand on to.
        await this.#host.succeeded(leaving, signal);
      } else {
        await this.#serve(await this.#add(number, plan), bounds);
        await this.#host.succeeded(leaving, signal);
        await unlessAborted(this.#drain(worker, bounds), signal);
      }
      // Only what has served once is what later ones are made of.
      this.#plan = plan;
    }
    this.#plan = plan;
  }

  /** Lets all its workers drain and end. Goes on when the change is given up. */
  async drainAll(bounds: ChangeBounds): Promise<void> {
    this.#count = 0;
    await this.#host.succeeded(leavingOf(this.#workers), bounds.signal);
    await Promise.all(this.#workers.map((worker) => this.#drain(worker, bounds)));
  }

  async #add(number: number, plan: ComponentPlan = this.#plan): Promise<SupervisedWorker> {
    const { ports, plan: { logDir } } = this.#host;
    return this.#insert(workerPlan(plan, { number, metricsPort: await ports.take(), logDir }));
  }

  #insert(plan: WorkerPlan): SupervisedWorker {
    const worker = new SupervisedWorker(plan, this.#host);
    this.#workers = [...this.#workers, worker].sort((a, b) => a.plan.number - b.plan.number);
    return worker;
  }

  #takeOut(worker: SupervisedWorker): void {
    if (!this.#workers.includes(worker)) return;
    this.#workers = this.#workers.filter((other) => other !== worker);
    this.#host.ports.release(worker.plan.metricsPort);
  }

  /** Starts a worker and waits until it serves; one that does not is taken out. */
  async #serve(worker: SupervisedWorker, { signal, onProgress }: ChangeBounds): Promise<void> {
    const tell = (step: ChangeProgress["step"], text?: string) =>
      onProgress({ worker: worker.name, pid: worker.status.pid, step, text });
    const { startTimeoutMs } = this.#host.plan;
    const tooLate = new AbortController();
    const timer = setTimeout(() => {
      const wanted = `it must be ready within ${startTimeoutMs} ms, got state "${worker.state}"`;
      const text = `Cannot start the worker "${worker.name}": ${wanted}; its log is ${worker.plan.logFile}`;
      tooLate.abort(fault(text, Code.DeadlineExceeded));
    }, startTimeoutMs);
    try {
      if (signal.aborted) throw abortError(signal);
      worker.start();
      tell("starting");
      await unlessAborted(worker.ready, AbortSignal.any([signal, tooLate.signal]));
      tell("ready");
    } catch (error) {
      const reason = worker.status.reason ?? "did not serve in time";
      this.#failure = `${worker.name} ${reason}`;
      tell("failed", reason);
      await worker.stop(0);
      this.#takeOut(worker);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #drain(worker: SupervisedWorker, { drainMs, onProgress }: ChangeBounds): Promise<void> {
    const { pid } = worker.status;
    onProgress({ worker: worker.name, pid, step: "draining" });
    await worker.stop(drainMs);
    this.#takeOut(worker);
    const { lastExit } = worker.status;
    const killed = lastExit?.signal === "SIGKILL";
    const text = lastExit === undefined ? undefined : exitText(lastExit);
    onProgress({ worker: worker.name, pid, step: killed ? "killed" : "stopped", text });
  }
}
