import { type ChildProcess, spawn } from "node:child_process";
import type { WorkerRuntime } from "../../../src/deployment/mod.ts";
import { onLines } from "../support/lines.ts";
import { commandFor } from "../support/runtime.ts";
import type { ClientFlags } from "./options.ts";
import type { ClientMessage } from "./process.ts";
import type { ClientProgress, ClientReport } from "./report.ts";

/** A client that was told to stop has so long for it. */
const STOP_MS = 3_000;

/** A client in a process of its own. */
class ClientProcess {
  readonly ready: Promise<void>;
  readonly done: Promise<ClientReport>;
  readonly #child: ChildProcess;

  constructor(
    client: number,
    flags: ClientFlags,
    onProgress: (progress: ClientProgress) => void,
    runtime: WorkerRuntime | undefined,
  ) {
    const [command = "", ...args] = commandFor(new URL("./process.ts", import.meta.url), runtime);
    const child = spawn(command, [...args, JSON.stringify({ client, flags })], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    const ready = Promise.withResolvers<void>();
    const done = Promise.withResolvers<ClientReport>();
    this.ready = ready.promise;
    this.done = done.promise;
    let report: ClientReport | undefined;
    onLines(child.stdout, (line) => {
      const message = JSON.parse(line) as ClientMessage;
      if (message.type === "progress") onProgress(message.progress);
      else ready.resolve();
      if (message.type === "done") report = message.report;
    });
    const lost = (exception: string) => {
      ready.resolve();
      if (report !== undefined) return done.resolve(report);
      const none = { requested: flags["requests-per-client"], succeeded: 0, failed: 0, startUpMs: 0, elapsedMs: 0 };
      done.resolve({ client, ...none, latenciesMs: [], exception, stopped: false });
    };
    // Standard output is read to its end before "close", so that a report is not taken for a loss.
    child.once("close", (code, signal) => lost(`Client process ended without a report, by ${signal ?? `exit code ${code}`}`));
    child.once("error", (error) => lost(`Cannot start a client process: ${error.message}`));
    child.stdin?.on("error", () => {});
  }

  tell(word: "go" | "stop"): void {
    this.#child.stdin?.write(`${word}\n`);
    if (word === "go") return;
    const late = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    this.#child.once("exit", () => clearTimeout(late));
  }
}

/** How clients in processes of their own are run. */
export interface ClientProcessOptions {
  /** Told when the last one is ready. */
  readonly onReady?: () => void;
  readonly onProgress: (progress: ClientProgress) => void;
  /** Makes them stop early. */
  readonly signal: AbortSignal;
  /** What runs them. Default: what runs this process. */
  readonly runtime?: WorkerRuntime;
}

/** Runs clients, each in a process of its own, from the moment when all are ready; resolves with what became of each. */
export async function runClientProcesses(
  flags: ClientFlags,
  options: ClientProcessOptions,
): Promise<ClientReport[]> {
  const { onReady, onProgress, signal, runtime } = options;
  const clients = Array.from({ length: flags.clients }, (_, index) => new ClientProcess(index, flags, onProgress, runtime));
  const stop = () => clients.forEach((client) => client.tell("stop"));
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  await Promise.all(clients.map(({ ready }) => ready));
  onReady?.();
  for (const client of clients) client.tell("go");
  const reports = await Promise.all(clients.map(({ done }) => done));
  signal.removeEventListener("abort", stop);
  return reports;
}
