import { hostname } from "node:os";
import process from "node:process";
import { Code } from "@connectrpc/connect";
import { stateFolder } from "../bus/local-login-node.ts";
import { redactUrl } from "../bus/urls.ts";
import type { Client } from "../client/client.ts";
import { connect } from "../client/connect.ts";
import type { DiscoveryEvent } from "../discovery/discovery.ts";
import { abortError, fault } from "../rpc/error.ts";
import { brokerAccounts } from "./access/accounts.ts";
import { DeploymentLogins, type NamedComponent, withLogin } from "./access/logins.ts";
import { CancelJanitor } from "../rpc/queue/cancel-janitor.ts";
import { type Guard, startGuard } from "./broker/guard.ts";
import type { ControlAnswer, ControlRequest } from "./control/messages.ts";
import { ControlServer } from "./control/server.ts";
import type { Deployment, StartDeploymentOptions, StopDeploymentOptions } from "./deployment.ts";
import type { DeploymentEvent } from "./events.ts";
import { prepareLogs } from "./logs.ts";
import type { BrokerPlan, DeploymentPlan } from "./plan.ts";
import { checkPorts } from "./ports.ts";
import type { DeploymentState, DeploymentStatus, WorkerStatus } from "./status.ts";
import { SupervisedBroker } from "./supervised-broker.ts";
import { SupervisedWorker } from "./supervised-worker.ts";

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
  #janitor: CancelJanitor | undefined;
  #workers: SupervisedWorker[] = [];
  #startingWork: Promise<void> | undefined;
  #stopping: Promise<number> | undefined;

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
    return this.#workers.map(({ status }) => status);
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
      workers: this.workers,
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
    const facts = { pid: process.pid, file: plan.file, startedAtMs: this.#startedAtMs };
    const names = { wanted: plan.name, fallback: plan.namespace };
    this.#control = await ControlServer.open(stateDir, names, facts, (request) => this.#answer(request));
    for (const file of this.#control.files) this.#guard.remove(file);
    await checkPorts(plan);
    await prepareLogs(plan);
    this.#emit({ type: "starting", deployment: this.status() });
    const emit = (event: DeploymentEvent) => this.#emit(event);
    if (plan.broker !== undefined) this.#broker = await this.#startBroker(plan.broker, signal);
    const servers = this.#broker?.urls.slice(0, 1) ?? plan.servers;
    const { namespace, token, startTimeoutMs: waitOnFirstConnectMs } = plan;
    const login = { token, local: { role: "supervisor" }, ...this.#logins?.supervisor } as const;
    this.#client = await connect(servers, { namespace, ...login, waitOnFirstConnectMs, signal, name: "waybill-supervisor" });
    if (this.#client.bus.canStore) this.#janitor = new CancelJanitor(this.#client.bus, this.#client.caller.subjects);
    await this.#client.discovery.watch((event) => this.#observe(event), { signal, timeoutMs: plan.startTimeoutMs });
    signal.throwIfAborted();
    this.#workers = plan.workers.map((worker) =>
      new SupervisedWorker(worker, {
        plan,
        servers,
        login: this.#logins?.ofComponent({ name: worker.name.replace(/\.\d+$/, ""), operators: worker.operators }),
        guard: this.#guard,
        emit,
      })
    );
    for (const worker of this.#workers) worker.start();
    await Promise.race([Promise.all(this.#workers.map(({ ready }) => ready)), rejection(signal)]);
  }

  /** Local programs are told who to be before it listens, so that those that wait for it never are refused. */
  async #startBroker(broker: BrokerPlan, signal: AbortSignal): Promise<SupervisedBroker> {
    const plan = this.#plan;
    const emit = (event: DeploymentEvent) => this.#emit(event);
    const file = this.#control?.loginsFile;
    if (plan.token === undefined && file !== undefined) {
      this.#logins = new DeploymentLogins(componentsOf(plan), plan.clients);
      const ports = [broker.port, broker.websocketPort].filter((port) => port !== 0 && port !== false);
      await this.#logins.tell(file, this.#facts(ports.map((port) => `nats://127.0.0.1:${port}`)));
    }
    const accounts = this.#logins && brokerAccounts(plan.namespace, this.#logins);
    const started = await SupervisedBroker.start(plan, broker, { guard: this.#guard, emit, signal, accounts });
    if (file !== undefined) await this.#logins?.tell(file, this.#facts(started.urls));
    return started;
  }

  #facts(urls: readonly string[]): { deployment: string; startedAtMs: number; urls: readonly string[] } {
    return { deployment: this.name, startedAtMs: this.#startedAtMs, urls };
  }

  clientUrls(name?: string): readonly string[] {
    const logins = this.#logins;
    if (logins === undefined) return this.urls;
    const grant = name === undefined ? logins.local : logins.client(name);
    if (grant !== undefined) return this.urls.map((url) => withLogin(url, grant.login));
    const known = Object.keys(this.#plan.clients).map((one) => `"${one}"`).join(", ") || "none";
    throw fault(`Cannot tell the URLs of the client "${name}": the deployment's clients are ${known}`, Code.NotFound);
  }

  #emit(event: DeploymentEvent): void {
    this.#options.onEvent?.(event);
  }

  #observe(event: DiscoveryEvent): void {
    if (!("instance" in event)) return;
    const { pid, host, instance } = event.instance;
    const worker = this.#workers.find(({ status }) => status.pid === pid || status.instance === instance);
    if (worker === undefined || host !== hostname()) return;
    if (event.type === "instance-gone") worker.unregistered();
    else worker.registered(event.instance);
  }

  #tooLate(): Error {
    const waiting = this.workers.filter(({ state }) => state !== "ready").map(({ name, state, logFile }) =>
      `${name} (${state}, ${logFile})`
    );
    const what = waiting.length === 0 ? "the broker must answer" : `not ready are ${waiting.join(", ")}; all must be`;
    const text = `Cannot start the deployment ${this.#plan.where}: ${what} within ${this.#plan.startTimeoutMs} ms`;
    return fault(text, Code.DeadlineExceeded);
  }

  async #answer(request: ControlRequest): Promise<ControlAnswer> {
    if (request.command === "status") return { status: this.status() };
    if (request.command === "stop") {
      void this.stop({ drainMs: request.drainMs });
      return { exitCode: await this.#ended.promise };
    }
    return { error: `Cannot do that: command must be "status" or "stop", got ${JSON.stringify(request)}` };
  }

  async stop(options: StopDeploymentOptions = {}): Promise<number> {
    const { drainMs = this.#plan.drainMs, signal } = options;
    this.#starting.abort(fault(`Cannot start the deployment ${this.#plan.where}: it was stopped`, Code.Canceled));
    const hurry = () => void this.stop({ drainMs: 0 });
    if (signal?.aborted) return await this.stop({ drainMs: 0 });
    signal?.addEventListener("abort", hurry, { once: true });
    try {
      if (this.#stopping !== undefined && drainMs <= 0) await Promise.all(this.#workers.map((worker) => worker.stop(0)));
      return await (this.#stopping ??= this.#stop(drainMs));
    } finally {
      signal?.removeEventListener("abort", hurry);
    }
  }

  async #stop(drainMs: number): Promise<number> {
    this.#state = "stopping";
    this.#emit({ type: "stopping", deployment: this.status() });
    // What it is about to start would be missed.
    await this.#startingWork?.catch(() => {});
    const codes = await Promise.all(this.#workers.map((worker) => worker.stop(drainMs)));
    await this.#janitor?.close();
    await this.#client?.close().catch(() => {});
    await this.#broker?.stop({ atOnce: drainMs <= 0 });
    const exitCode = Math.max(0, ...codes);
    this.#state = "stopped";
    this.#ended.resolve(exitCode);
    await this.#control?.close();
    this.#guard.dismiss();
    this.#emit({ type: "stopped", exitCode });
    this.#settle(exitCode);
    return exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(abortError(signal));
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** What is started, once for all processes of a component. */
function componentsOf({ workers }: DeploymentPlan): NamedComponent[] {
  const components = workers.map(({ name, operators }) => ({ name: name.replace(/\.\d+$/, ""), operators }));
  return [...new Map(components.map((component) => [component.name, component])).values()];
}
