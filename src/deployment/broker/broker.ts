import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Guard, startGuard } from "./guard.ts";
import { locateBroker } from "./locate.ts";
import { type BrokerConfig, serverConfig } from "./server-config.ts";
import { reasonOf } from "../../obtain/download.ts";

/** How to run a broker. */
export interface BrokerOptions extends BrokerConfig {
  /** The nats-server to run. Default: what {@linkcode locateBroker} finds. */
  binary?: string;
  /** Folder for configuration, log and stored messages, which is kept. Default: a temporary one, removed by `stop()`. */
  dir?: string;
  /** Its log. Default: `nats-server.log` in the folder. */
  logFile?: string;
  /**
   * What ends it when this process is killed. Default: a guard of its own.
   *
   * @internal
   */
  guard?: Guard;
  /** Told what happens, in one line each. Default: says nothing. */
  log?: (line: string) => void;
  /** How long the broker may take until it accepts connections. Default 10,000 ms. */
  startTimeoutMs?: number;
  /** Gives up starting when aborted. */
  signal?: AbortSignal;
}

/** How a broker's process ended. */
export interface BrokerExit {
  /** Exit code, `null` after a signal. */
  readonly code: number | null;
  /** Signal that ended it, if one did. */
  readonly signal: string | null;
}

/** A running nats-server. */
export interface Broker extends AsyncDisposable {
  /** Its process. A restart gives it a new one. */
  readonly pid: number;
  /** For TCP clients, such as `nats://127.0.0.1:4222`. Stays the same over a restart. */
  readonly tcpUrl: string;
  /** For websocket clients, `undefined` where it has no websocket. */
  readonly wsUrl: string | undefined;
  /** Its monitoring pages, such as `http://127.0.0.1:8222`; `/varz` has counters. */
  readonly monitorUrl: string;
  /** Folder of its configuration, log and stored messages. */
  readonly dir: string;
  /** Settles when the process that runs now has ended, however. */
  readonly exited: Promise<BrokerExit>;
  /** Ends it in an orderly way, by force after 5 s, and removes its temporary folder. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash would. Its files stay until `stop()`. */
  kill(): Promise<void>;
  /** Starts it again on the same ports and files, after ending it where it still runs. */
  restart(): Promise<void>;
  /** The last lines of its log. */
  readLog(lines?: number): Promise<string>;
}

interface Ports {
  readonly nats?: readonly string[];
  readonly websocket?: readonly string[];
  readonly monitoring?: readonly string[];
}

const stopTimeoutMs = 5_000;

class NatsServer implements Broker {
  readonly dir: string;
  readonly #binary: string;
  readonly #options: BrokerOptions;
  #config: BrokerConfig;
  #child: ChildProcess | undefined;
  #running = false;
  #guard: Guard | undefined;
  readonly #logFile: string;
  #exited: Promise<BrokerExit> = Promise.resolve({ code: null, signal: null });
  #ports: Ports = {};

  constructor(binary: string, dir: string, options: BrokerOptions) {
    this.#binary = binary;
    this.dir = dir;
    this.#options = options;
    this.#config = options;
    this.#logFile = options.logFile ?? join(dir, "nats-server.log");
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }
  get tcpUrl(): string {
    return this.#ports.nats?.[0] ?? "";
  }
  get wsUrl(): string | undefined {
    return this.#ports.websocket?.[0];
  }
  get monitorUrl(): string {
    return this.#ports.monitoring?.[0] ?? "";
  }
  get exited(): Promise<BrokerExit> {
    return this.#exited;
  }

  async start(): Promise<void> {
    for (const name of await this.#portsFiles()) await rm(name, { force: true });
    const configFile = join(this.dir, "nats-server.json");
    // Readable by the owner alone: it may hold passwords.
    // A file that was there would keep its mode.
    await rm(configFile, { force: true });
    await writeFile(configFile, serverConfig(this.#config, this.dir), { mode: 0o600 });
    this.#spawn(configFile);
    try {
      this.#ports = await this.#ready();
    } catch (error) {
      await this.kill();
      throw error;
    }
    const port = (url: string | undefined) => Number(new URL(url ?? "x://x:0").port);
    this.#config = {
      ...this.#config,
      port: port(this.tcpUrl),
      monitorPort: port(this.monitorUrl),
      websocketPort: this.wsUrl === undefined ? false : port(this.wsUrl),
    };
    this.#options.log?.(`nats-server (pid ${this.pid}) listens on ${[this.tcpUrl, this.wsUrl].filter(Boolean).join(" and ")}`);
  }

  #spawn(configFile: string): void {
    const log = openSync(this.#logFile, "a", 0o600);
    try {
      // In a process group of its own, so that Ctrl-C in a terminal lets us drain before the broker goes.
      const child = spawn(this.#binary, ["-c", configFile], { stdio: ["ignore", log, log], detached: true });
      this.#child = child;
      const { pid } = child;
      const guard = this.#guarded();
      if (pid !== undefined) guard.watch(pid, "last");
      this.#running = pid !== undefined;
      this.#exited = new Promise((resolve) => {
        const end = (exit: BrokerExit) => {
          // Once it has ended, its number may be another process's.
          this.#running = false;
          if (pid !== undefined) guard.forget(pid);
          resolve(exit);
        };
        child.once("exit", (code, signal) => end({ code, signal }));
        child.once("error", () => end({ code: 127, signal: null }));
      });
    } finally {
      closeSync(log);
    }
  }

  #guarded(): Guard {
    if (this.#guard === undefined) {
      this.#guard = this.#options.guard ?? startGuard();
      if (this.#options.dir === undefined) this.#guard.remove(this.dir);
    }
    return this.#guard;
  }

  async #portsFiles(): Promise<string[]> {
    return (await readdir(this.dir)).filter((name) => name.endsWith(".ports")).map((name) => join(this.dir, name));
  }

  /** Waits for the ports file, which nats-server writes once everything listens. */
  async #ready(): Promise<Ports> {
    const { startTimeoutMs = 10_000, signal } = this.#options;
    const deadline = performance.now() + startTimeoutMs;
    let exit: BrokerExit | undefined;
    void this.#exited.then((how) => exit = how);
    while (true) {
      signal?.throwIfAborted();
      const [file] = await this.#portsFiles();
      // Half-written JSON does not parse: the next round sees all of it.
      const ports = file === undefined ? undefined : await readFile(file, "utf8").then(JSON.parse).catch(() => undefined);
      if (ports !== undefined) return ports;
      if (exit !== undefined) {
        const how = exit.signal === null ? `ended with exit code ${exit.code}` : `was ended by ${exit.signal}`;
        throw await this.#failure(`${this.#binary} ${how}`, Code.FailedPrecondition);
      }
      if (performance.now() > deadline) {
        throw await this.#failure(`it must listen within ${startTimeoutMs} ms`, Code.DeadlineExceeded);
      }
      await delay(10);
    }
  }

  async #failure(reason: string, code: Code): Promise<ConnectError> {
    return new ConnectError(`Cannot start the broker: ${reason}. Its log ends with:\n${await this.readLog(10)}`, code);
  }

  async readLog(lines: number = 50): Promise<string> {
    const text = await readFile(this.#logFile, "utf8").catch(() => "");
    return text.trimEnd().split("\n").slice(-lines).join("\n");
  }

  #signal(name: "SIGTERM" | "SIGKILL"): void {
    // Not child.kill(): after it Deno 2.9 reports the signal in place of the exit code.
    if (this.#running) process.kill(this.pid, name);
  }

  async #end(name: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#signal(name);
    const late = setTimeout(() => this.#signal("SIGKILL"), stopTimeoutMs);
    await this.#exited;
    clearTimeout(late);
  }

  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  async restart(): Promise<void> {
    await this.#end("SIGTERM");
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    await rm(join(this.dir, "nats-server.json"), { force: true });
    if (this.#options.dir === undefined) await rm(this.dir, { recursive: true, force: true });
    if (this.#options.guard === undefined) this.#guard?.dismiss();
    this.#guard = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/**
 * Runs a nats-server of our own. It listens on the loopback address unless told otherwise, and ends with this process, however
 * that ends.
 *
 * @throws {ConnectError} `not_found` when there is no nats-server, `failed_precondition` when it refuses its configuration or a port
 * is taken (with the end of its log), `deadline_exceeded` when it does not listen in time
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { log, signal } = options;
  const binary = options.binary ?? (await locateBroker({ log, signal })).path;
  if (options.dir !== undefined) mkdirSync(options.dir, { recursive: true });
  const dir = options.dir ?? await mkdtemp(join(tmpdir(), "waybill-broker-"));
  const server = new NatsServer(binary, dir, options);
  try {
    await server.start();
  } catch (error) {
    await server.stop();
    if (error instanceof ConnectError) throw error;
    signal?.throwIfAborted();
    throw new ConnectError(`Cannot start the broker: ${reasonOf(error)}`, Code.Internal, undefined, undefined, error);
  }
  return server;
}
