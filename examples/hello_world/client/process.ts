/**
 * One client, as a process of its own. It is told its task in its argument, and what to do in lines on its standard input: `go` once
 * all clients are ready, `stop` to end early, as the end of the input does. It answers with lines of JSON.
 *
 * @module
 */
import process from "node:process";
import { performance } from "node:perf_hooks";
import { ConnectError } from "../../../mod.ts";
import { onLines } from "../support/lines.ts";
import { connectClient } from "./connect-client.ts";
import type { ClientTask } from "./options.ts";
import type { ClientProgress, ClientReport } from "./report.ts";
import { runRequests } from "./run-requests.ts";

/** What a client's process says. */
export type ClientMessage =
  | { readonly type: "ready" }
  | { readonly type: "progress"; readonly progress: ClientProgress }
  | { readonly type: "done"; readonly report: ClientReport };

const PROGRESS_MS = 100;

const task = JSON.parse(process.argv[2] ?? "") as ClientTask;
const { client: number, flags } = task;
const stop = new AbortController();
const go = Promise.withResolvers<void>();
const startedAt = performance.timeOrigin;

function say(message: ClientMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

// Ctrl-C reaches every process of the terminal; the parent decides what becomes of this one.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
process.on("SIGTERM", () => stop.abort());
onLines(process.stdin, (line) => line === "go" ? go.resolve() : stop.abort());
process.stdin.on("end", () => stop.abort());
stop.signal.addEventListener("abort", () => go.resolve());

let report: ClientReport = {
  client: number,
  requested: flags["requests-per-client"],
  succeeded: 0,
  failed: 0,
  startUpMs: 0,
  elapsedMs: 0,
  latenciesMs: [],
  exception: "",
  stopped: false,
};
try {
  const connection = await connectClient(flags, stop.signal);
  const { signal } = stop;
  await runRequests({ ...task, flags: { ...flags, "requests-per-client": flags["warm-up"] }, connection, signal });
  const startUpMs = Date.now() - startedAt;
  say({ type: "ready" });
  await go.promise;
  let saidAt = 0;
  let latest: ClientProgress | undefined;
  const onProgress = (progress: ClientProgress) => {
    latest = progress;
    const now = performance.now();
    // Errors are rare and worth a line each; of the others one now and then will do.
    if (now - saidAt < PROGRESS_MS && progress.error === "") return;
    saidAt = now;
    say({ type: "progress", progress });
  };
  const result = await runRequests({ ...task, connection, onProgress, signal });
  if (latest !== undefined) say({ type: "progress", progress: latest });
  report = { ...result, startUpMs };
  await connection.close();
} catch (error) {
  report = {
    ...report,
    exception: stop.signal.aborted ? "" : ConnectError.from(error).rawMessage,
    stopped: stop.signal.aborted,
  };
}
// Not left to the runtime: an aborted connect may keep it up for a while.
process.stdout.write(`${JSON.stringify({ type: "done", report } satisfies ClientMessage)}\n`, () => process.exit(0));
