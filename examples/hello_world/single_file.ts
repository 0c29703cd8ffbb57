/**
 * All of the hello world in one file: starts a deployment with a broker of its own, sends it requests and stops it.
 *
 *     npx bun examples/hello_world/single_file.ts [--request-plane memory]
 *
 * @module
 */
import process from "node:process";
import { type Client, connect, ConnectError } from "../../mod.ts";
import { startDeployment } from "../../src/deployment/mod.ts";
import { clientFlags } from "./client/options.ts";
import { finishedText, showProgress } from "./client/progress.ts";
import { hasFailed, summarize, summaryLines } from "./client/report.ts";
import { runClientsHere } from "./client/here.ts";
import { helloWorld } from "./deployment.ts";
import { type Flags, flagsOrExit, numberFlag, textFlag } from "./support/flags.ts";
import type { WorkerGroup } from "./support/layout.ts";
import { startMemoryDeployment } from "./support/memory-deployment.ts";
import { GPU_NOTICE } from "./support/worker-env.ts";

/** What can be called, and stopped. */
interface Running {
  connect(): Client | Promise<Client>;
  stop(): Promise<number>;
}

interface SingleFileFlags {
  readonly "request-plane": "nats" | "memory";
  readonly "requests": number;
  readonly "input-size": number;
}

const FLAGS: Flags<SingleFileFlags> = {
  "request-plane": textFlag("what joins the workers: a nats-server, or this process alone", "nats", ["nats", "memory"]),
  "requests": numberFlag("requests to send, all at once", 10, { min: 0, whole: true }),
  "input-size": numberFlag("elements per request", 10_000, { min: 0, whole: true }),
};

// As the original has it: five copies, and the decoder on a GPU where there is one.
const GROUPS: readonly WorkerGroup[] = [
  { operator: "encoder", count: 1, kind: "CPU", settings: { delay: 0 } },
  { operator: "decoder", count: 1, kind: "GPU", settings: { delay: 0 } },
  { operator: "encoder_decoder", count: 1, kind: "CPU", settings: { maxInflight: 100 } },
];

async function start(flags: SingleFileFlags, signal: AbortSignal): Promise<Running> {
  if (flags["request-plane"] === "memory") return await startMemoryDeployment(GROUPS);
  const broker = { port: 0, websocketPort: false } as const;
  const definition = helloWorld(GROUPS, { runtime: "bun", broker, startingMetricsPort: 0 });
  const deployment = await startDeployment(definition, { file: import.meta.url, signal });
  return { connect: () => connect(deployment.urls[0]!), stop: () => deployment.stop() };
}

async function main(flags: SingleFileFlags, signal: AbortSignal): Promise<number> {
  console.log("Starting Workers");
  console.warn(`Warning: ${GPU_NOTICE}`);
  const running = await start(flags, signal);
  let failed = true;
  try {
    const client = clientFlags({
      "request-plane-uri": flags["request-plane"] === "memory" ? "memory" : "",
      "requests-per-client": flags.requests,
      "input-size-mean": flags["input-size"],
      "in-flight": Math.max(1, flags.requests),
    });
    console.log("Sending Requests");
    const progress = showProgress(1, flags.requests, finishedText);
    const onProgress = progress.update.bind(progress);
    const reports = await runClientsHere(client, { connect: () => running.connect(), onProgress, signal });
    progress.stop();
    failed = reports.some(hasFailed);
    for (const { exception } of reports) if (exception !== "") console.log(`Exception: ${exception}`);
    for (const line of summaryLines(summarize(reports))) console.log(line);
  } finally {
    console.log("Stopping Workers");
    const exitCode = await running.stop();
    process.exitCode = exitCode === 0 && failed ? 1 : exitCode;
  }
  return Number(process.exitCode);
}

const flags = flagsOrExit(
  "single_file.ts",
  "Starts the hello world, sends it requests and stops it.",
  FLAGS,
  process.argv.slice(2),
);
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
try {
  process.exit(await main(flags, stop.signal));
} catch (error) {
  console.error(`Exception: ${ConnectError.from(error).rawMessage}`);
  process.exit(stop.signal.aborted ? 0 : 1);
}
