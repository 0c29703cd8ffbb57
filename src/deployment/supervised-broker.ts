import { dirname } from "node:path";
import { mkdir } from "node:fs/promises";
import { backoffMs } from "./backoff.ts";
import { type Broker, startBroker } from "./broker/broker.ts";
import type { BrokerAccount } from "./broker/server-config.ts";
import type { Guard } from "./broker/guard.ts";
import type { DeploymentEvent } from "./events.ts";
import type { BrokerPlan, DeploymentPlan } from "./plan.ts";
import type { BrokerStatus } from "./status.ts";

/** Serving this long ends a row of restarts. */
const stableMs = 10_000;

/** Keeps a deployment's own broker running: one that ends unasked is started again on the same ports, with what it stored. */
export class SupervisedBroker {
  readonly #broker: Broker;
  readonly #plan: DeploymentPlan;
  readonly #logFile: string;
  readonly #emit: (event: DeploymentEvent) => void;
  #state: BrokerStatus["state"] = "ready";
  #restarts = 0;
  #stop: () => void = () => {};
  readonly #stopped: Promise<void>;
  readonly #keeping: Promise<void>;

  private constructor(broker: Broker, plan: DeploymentPlan, logFile: string, emit: (event: DeploymentEvent) => void) {
    this.#broker = broker;
    this.#plan = plan;
    this.#logFile = logFile;
    this.#emit = emit;
    this.#stopped = new Promise((resolve) => this.#stop = resolve);
    this.#keeping = this.#keep();
  }

  /**
   * Starts it.
   *
   * @throws {ConnectError} as {@linkcode startBroker}
   */
  static async start(
    plan: DeploymentPlan,
    broker: BrokerPlan,
    options: {
      guard: Guard;
      emit: (event: DeploymentEvent) => void;
      signal: AbortSignal;
      accounts: readonly BrokerAccount[] | undefined;
    },
  ): Promise<SupervisedBroker> {
    const { guard, emit, signal, accounts } = options;
    await mkdir(dirname(broker.logFile), { recursive: true });
    const { dataDir, logFile, ...config } = broker;
    const log = (text: string) => emit({ type: "note", text });
    const { startTimeoutMs, token } = plan;
    const started = await startBroker({
      ...config,
      dir: dataDir,
      logFile,
      token,
      accounts,
      guard,
      signal,
      log,
      startTimeoutMs,
    });
    return new SupervisedBroker(started, plan, logFile, emit);
  }

  /** Its URLs, TCP first. */
  get urls(): string[] {
    return [this.#broker.tcpUrl, this.#broker.wsUrl].filter((url) => url !== undefined);
  }

  get status(): BrokerStatus {
    const { pid, tcpUrl, wsUrl, monitorUrl } = this.#broker;
    return {
      state: this.#state,
      pid: this.#state === "ready" ? pid : undefined,
      restarts: this.#restarts,
      tcpUrl,
      wsUrl,
      monitorUrl,
      logFile: this.#logFile,
    };
  }

  /** Ends it and removes its temporary files. */
  async stop(options: { atOnce?: boolean } = {}): Promise<void> {
    this.#stop();
    if (options.atOnce === true) await this.#broker.kill();
    await this.#keeping;
    await this.#broker.stop();
    this.#state = "stopped";
  }

  async #keep(): Promise<void> {
    let stopping = false;
    void this.#stopped.then(() => stopping = true);
    let inARow = 0;
    while (true) {
      const startedAt = performance.now();
      const exit = await Promise.race([this.#broker.exited, this.#stopped]);
      if (stopping || exit === undefined) return;
      this.#state = "restarting";
      inARow = performance.now() - startedAt >= stableMs ? 1 : inARow + 1;
      // The first time at once: while it is away, nothing moves.
      const restartInMs = inARow === 1 ? 0 : backoffMs(this.#plan.restart, inARow - 1);
      const log = (await this.#broker.readLog(10)).split("\n");
      this.#emit({ type: "broker-exited", exit, restartInMs, log });
      await this.#pause(restartInMs);
      if (stopping) return;
      this.#restarts++;
      // Where it fails, its process has ended: the next round waits longer.
      await this.#broker.restart().then(() => {
        this.#state = "ready";
        this.#emit({ type: "broker-restarted", pid: this.#broker.pid });
      }, () => {});
    }
  }

  async #pause(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([new Promise<void>((resolve) => timer = setTimeout(resolve, ms)), this.#stopped]);
    clearTimeout(timer);
  }
}
