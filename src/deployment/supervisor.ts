import process from "node:process";
import { Code } from "@connectrpc/connect";
import { stateFolder } from "../bus/local-login-node.ts";
import { redactUrl } from "../bus/urls.ts";
import type { Client } from "../client/client.ts";
import { connect } from "../client/connect.ts";
import { unlessAborted } from "../rpc/deadline.ts";
import { fault } from "../rpc/error.ts";
import { type DeploymentLogins, withLogin } from "./access/logins.ts";
import { startOwnBroker } from "./access/own-broker.ts";
import { CancelJanitor } from "../rpc/queue/cancel-janitor.ts";
import { Announcements } from "./announcements.ts";
import { type Guard, startGuard } from "./broker/guard.ts";
import { changeFleet, checkTimes, notRunning } from "./change-fleet.ts";
import { ChangeQueue } from "./change-queue.ts";
import type { ChangeOptions, ChangeResult, ComponentDifference, DeploymentChange, ReplaceOptions } from "./changes.ts";
import type { ControlAnswer, ControlCall, ControlRequest } from "./control/messages.ts";
import { ControlServer } from "./control/server.ts";
import type { DeploymentDefinition, DeploymentWorker } from "./definition.ts";
import type { ApplyOptions, Deployment, StartDeploymentOptions, StopDeploymentOptions } from "./deployment.ts";
import type { DeploymentEvent } from "./events.ts";
import { Fleet } from "./fleet.ts";
import { LogRotation } from "./log-rotation.ts";
import { prepareLogs, supervisorLog } from "./logs.ts";
import { type ServedMetrics, serveMetrics } from "./metrics/serve-metrics.ts";
import type { DeploymentPlan } from "./plan.ts";
import { checkPorts } from "./ports.ts";
import type { ComponentStatus, DeploymentState, DeploymentStatus, WorkerStatus } from "./status.ts";
import type { SupervisedBroker } from "./supervised-broker.ts";

/** Runs one deployment: its states are those of {@linkcode DeploymentState}. */
export class Supervisor implements Deployment {
  readonly stopped: Promise<number>;
  readonly #plan: DeploymentPlan;
  readonly #options: StartDeploymentOptions;
  readonly #guard: Guard;
  readonly #starting = new AbortController();
  readonly #settle: (exitCode: number) => void;
  /** Settles when nothing runs any more, so that those who asked for it can be told before this process ends. */
  readonly #ended: PromiseWithResolvers<number> = Promise.withResolvers();
  readonly #startedAtMs = Date.now();
  #state: DeploymentState = "starting";
  #control: ControlServer | undefined;
  #broker: SupervisedBroker | undefined;
  /** Of its own broker, unless a token is all that it asks for. */
  #logins: DeploymentLogins | undefined;
  #client: Client | undefined;
  #metrics: ServedMetrics | undefined;
  #janitor: CancelJanitor | undefined;
  #announcements: Announcements | undefined;
  #fleet: Fleet | undefined;
  #logs: LogRotation | undefined;
  #startingWork: Promise<void> | undefined;
  #stopping: Promise<number> | undefined;
  /** Whether anything was started: without, there is nothing to tell of its end. */
  #begun = false;
  readonly #changes = new ChangeQueue();

  constructor(plan: DeploymentPlan, options: StartDeploymentOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#guard = startGuard();
    const { promise, resolve } = Promise.withResolvers<number>();
    this.stopped = promise;
    this.#settle = resolve;
  }

  get name(): string {
    return this.#control?.name ?? this.#plan.name ?? this.#plan.namespace;
  }

  get urls(): readonly string[] {
    return this.#broker?.urls ?? this.#plan.servers.map(redactUrl);
  }

  get workers(): readonly WorkerStatus[] {
    return this.#fleet?.workers.map(({ status }) => status) ?? [];
  }

  get components(): readonly ComponentStatus[] {
    return [...this.#fleet?.components.values() ?? []].map(({ status }) => status);
  }

  status(): DeploymentStatus {
    return {
      name: this.name,
      state: this.#state,
      pid: process.pid,
      file: this.#plan.file,
      namespace: this.#plan.namespace,
      startedAtMs: this.#startedAtMs,
      urls: this.urls,
      broker: this.#broker?.status,
      components: this.components,
      logDir: this.#plan.logDir,
      metricsUrl: this.#metrics?.url,
      workers: this.workers,
      sidecars: this.#fleet?.sidecars.all.map(({ status }) => status) ?? [],
    };
  }

  /** Starts all of it, and waits until it serves. Nothing runs after a failure. */
  async start(): Promise<void> {
    const { signal: asked } = this.#options;
    const late = setTimeout(() => this.#starting.abort(this.#tooLate()), this.#plan.startTimeoutMs);
    const abort = () => this.#starting.abort(asked?.reason);
    asked?.addEventListener("abort", abort, { once: true });
    try {
      asked?.throwIfAborted();
      await (this.#startingWork = this.#startAll(this.#starting.signal));
      this.#state = "running";
      this.#emit({ type: "started", deployment: this.status() });
    } catch (error) {
      // Read before stopping, which aborts too.
      const { aborted, reason } = this.#starting.signal;
      await this.stop(aborted ? {} : { drainMs: 0 });
      throw aborted ? reason : error;
    } finally {
      clearTimeout(late);
      asked?.removeEventListener("abort", abort);
    }
  }

  async #startAll(signal: AbortSignal): Promise<void> {
    const plan = this.#plan;
    const { stateDir = stateFolder() } = this.#options;
    const folders = [plan.logDir, ...plan.broker?.dataDir === undefined ? [] : [plan.broker.dataDir]];
    const facts = { pid: process.pid, file: plan.file, startedAtMs: this.#startedAtMs, folders };
    const names = { wanted: plan.name, fallback: plan.namespace };
    this.#control = await ControlServer.open(stateDir, names, facts, (request, call) => this.#answer(request, call));
    for (const file of this.#control.files) this.#guard.remove(file);
    await checkPorts(plan);
    await prepareLogs(plan);
    this.#logs = new LogRotation(() => this.#logFiles(), plan.logBounds);
    this.#begun = true;
    this.#emit({ type: "starting", deployment: this.status() });
    const emit = (event: DeploymentEvent) => this.#emit(event);
    if (plan.broker !== undefined) {
      const told = { file: this.#control.loginsFile, deployment: this.name, startedAtMs: this.#startedAtMs };
      const started = await startOwnBroker(plan, plan.broker, { told, guard: this.#guard, emit, signal });
      this.#broker = started.broker;
      this.#logins = started.logins;
    }
    const servers = this.#broker?.urls.slice(0, 1) ?? plan.servers;
    const { namespace, token, startTimeoutMs: waitOnFirstConnectMs } = plan;
    const login = { token, local: { role: "supervisor" }, ...this.#logins?.supervisor } as const;
    this.#client = await connect(servers, { namespace, ...login, waitOnFirstConnectMs, signal, name: "waybill-supervisor" });
    this.#announcements = new Announcements(this.#client, this.name);
    if (this.#client.bus.canStore) this.#janitor = new CancelJanitor(this.#client.bus, this.#client.caller.subjects);
    const fleet = new Fleet({
      plan,
      servers,
      login: (worker) => this.#logins?.ofWorker(worker),
      socketFolder: this.#control.socketFolder,
      guard: this.#guard,
      client: this.#client,
      emit,
    });
    this.#fleet = fleet;
    await this.#client.discovery.watch((event) => fleet.observe(event), { signal, timeoutMs: plan.startTimeoutMs });
    if (plan.metrics !== undefined) this.#metrics = await serveMetrics(this.#client, () => this.status(), plan.metrics);
    signal.throwIfAborted();
    await unlessAborted(fleet.sidecars.start(), signal);
    fleet.begin();
    await unlessAborted(Promise.all(fleet.workers.map(({ ready }) => ready)), signal);
  }

  clientUrls(name?: string): readonly string[] {
    const logins = this.#logins;
    if (logins === undefined) return this.urls;
    const grant = name === undefined ? logins.local : logins.client(name);
    if (grant !== undefined) return this.urls.map((url) => withLogin(url, grant.login));
    const known = Object.keys(this.#plan.clients).map((one) => `"${one}"`).join(", ") || "none";
    throw fault(`Cannot tell the URLs of the client "${name}": the deployment's clients are ${known}`, Code.NotFound);
  }

  #logFiles(): string[] {
    const { logDir, broker } = this.#plan;
    const workers = [...this.#fleet?.sidecars.all ?? [], ...this.#fleet?.workers ?? []].map(({ plan }) => plan.logFile);
    return [...workers, ...broker === undefined ? [] : [broker.logFile], supervisorLog(logDir)];
  }

  #emit(event: DeploymentEvent): void {
    this.#options.onEvent?.(event);
    this.#announcements?.announce(event);
  }

  #tooLate(): Error {
    const waiting = [...this.status().sidecars, ...this.workers].filter(({ state }) => state !== "ready").map((
      { name, state, logFile },
    ) => `${name} (${state}, ${logFile})`);
    const what = waiting.length === 0 ? "the broker must answer" : `not ready are ${waiting.join(", ")}; all must be`;
    const text = `Cannot start the deployment ${this.#plan.where}: ${what} within ${this.#plan.startTimeoutMs} ms`;
    return fault(text, Code.DeadlineExceeded);
  }

  async #answer(request: ControlRequest, { signal, onProgress }: ControlCall): Promise<ControlAnswer> {
    if (request.command === "status") return { status: this.status() };
    if (request.command === "stop") {
      void this.stop({ drainMs: request.drainMs });
      return { exitCode: await this.#ended.promise };
    }
    const { timeoutMs, drainMs, ...change } = request;
    return { result: await this.#change(change, { signal, timeoutMs, drainMs, onProgress }) };
  }

  async #change(change: DeploymentChange, options: ChangeOptions): Promise<ChangeResult> {
    const fleet = this.#fleet;
    if (fleet === undefined || this.#state !== "running") throw notRunning(this.name, this.#state);
    checkTimes(options);
    return await this.#changes.run(async (bounds) => {
      this.#emit({ type: "changing", change });
      const result = await changeFleet(fleet, change, bounds);
      this.#emit({ type: "changed", change, result });
      return result;
    }, { ...options, drainMs: Math.min(options.drainMs ?? Infinity, fleet.plan.drainMs) });
  }

  async scale(component: string, count: number, options: ChangeOptions = {}): Promise<ComponentStatus> {
    return only(await this.#change({ command: "scale", component, count }, options));
  }

  async add(worker: DeploymentWorker, options: ChangeOptions = {}): Promise<ComponentStatus> {
    return only(await this.#change({ command: "add", worker }, options));
  }

  async remove(component: string, options: ChangeOptions = {}): Promise<void> {
    await this.#change({ command: "remove", component }, options);
  }

  async restart(component: string, options: ReplaceOptions = {}): Promise<ComponentStatus> {
    const { order, ...bounds } = options;
    return only(await this.#change({ command: "restart", component, order }, bounds));
  }

  async apply(definition: DeploymentDefinition, options: ApplyOptions = {}): Promise<readonly ComponentDifference[]> {
    const { order, dryRun, file, ...bounds } = options;
    const change = { command: "apply", options: definition.options, order, dryRun, file } as const;
    return (await this.#change(change, bounds)).differences ?? [];
  }

  async stop(options: StopDeploymentOptions = {}): Promise<number> {
    const { drainMs = this.#fleet?.plan.drainMs ?? this.#plan.drainMs, signal } = options;
    this.#starting.abort(fault(`Cannot start the deployment ${this.#plan.where}: it was stopped`, Code.Canceled));
    const hurry = () => void this.stop({ drainMs: 0 });
    if (signal?.aborted) return await this.stop({ drainMs: 0 });
    signal?.addEventListener("abort", hurry, { once: true });
    try {
      if (this.#stopping !== undefined && drainMs <= 0) await this.#fleet?.stop(0);
      return await (this.#stopping ??= this.#stop(drainMs));
    } finally {
      signal?.removeEventListener("abort", hurry);
    }
  }

  async #stop(drainMs: number): Promise<number> {
    this.#state = "stopping";
    if (this.#begun) this.#emit({ type: "stopping", deployment: this.status() });
    // What it is about to start would be missed.
    await this.#startingWork?.catch(() => {});
    this.#changes.end(notRunning(this.name, this.#state));
    const codes = await this.#fleet?.stop(drainMs) ?? [];
    await this.#janitor?.close();
    this.#announcements?.close();
    await this.#metrics?.close().catch(() => {});
    await this.#client?.close().catch(() => {});
    await this.#broker?.stop({ atOnce: drainMs <= 0 });
    await this.#logs?.close();
    const exitCode = Math.max(0, ...codes);
    this.#state = "stopped";
    this.#ended.resolve(exitCode);
    await this.#control?.close();
    this.#guard.dismiss();
    if (this.#begun) this.#emit({ type: "stopped", exitCode });
    this.#settle(exitCode);
    return exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function only({ components }: ChangeResult): ComponentStatus {
  const [component] = components;
  if (component === undefined) throw fault("Cannot tell how the component is: it is gone", Code.Internal);
  return component;
}
