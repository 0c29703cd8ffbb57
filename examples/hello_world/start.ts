import process from "node:process";
import { startDeployment } from "../../src/deployment/mod.ts";
import { runClientsHere } from "./client/here.ts";
import { runClientProcesses } from "./client/processes.ts";
import { showProgress } from "./client/progress.ts";
import { type ClientReport, summarize, type Summary, summaryLines } from "./client/report.ts";
import { helloWorld } from "./deployment.ts";
import { brokerAtFreePorts, freePortsFrom } from "./support/free-ports.ts";
import { layoutOf } from "./support/layout.ts";
import { startMemoryDeployment } from "./support/memory-deployment.ts";
import { clientFlagsOf, type StartFlags } from "./support/start-flags.ts";
import { GPU_NOTICE } from "./support/worker-env.ts";

const FIRST_METRICS_PORT = 50_000;

/** What runs, and how clients of it are run. */
interface Running {
  run(flags: ReturnType<typeof clientFlagsOf>, view: ClientView): Promise<ClientReport[]>;
  stop(): Promise<number>;
}

type ClientView = Pick<Parameters<typeof runClientProcesses>[1], "onReady" | "onProgress" | "signal">;

/** Starts the whole hello world, sends requests by reference and inline, and stops it; resolves with the exit code. */
export async function runHelloWorld(flags: StartFlags, signal: AbortSignal): Promise<number> {
  const running = await (flags["request-plane"] === "memory" ? startHere(flags) : startProcesses(flags, signal));
  // A second signal: nobody wants to wait any longer.
  const hurry = () => void running.stop();
  const summaries: [string, Summary][] = [];
  try {
    for (const inline of flags.inline ? [true] : [false, true]) {
      if (signal.aborted) break;
      summaries.push([inline ? "Inline" : "By reference", await measure(running, flags, inline, signal)]);
    }
  } finally {
    process.once("SIGINT", hurry);
    console.log("\nStopping Workers");
    const exitCode = await running.stop();
    console.log(`Workers Stopped Exit Code ${exitCode}`);
    process.exitCode = exitCode;
  }
  for (const [name, { throughput, latencyMs, failed }] of summaries) {
    const faults = failed === 0 ? "" : `, ${failed} requests failed`;
    console.log(`${name.padEnd(13)} ${throughput.toFixed(0)} requests/s, p50 ${latencyMs.p50.toFixed(2)} ms${faults}`);
  }
  const failedClients = summaries.reduce((sum, [, { exitCode }]) => sum + exitCode, 0);
  return signal.aborted ? 0 : Number(process.exitCode) || failedClients;
}

async function measure(running: Running, flags: StartFlags, inline: boolean, signal: AbortSignal): Promise<Summary> {
  const what = `${flags["requests-per-client"]} requests of ${
    flags["input-size-mean"]
  } int64 by each of ${flags.clients} clients`;
  console.log(`\nTensors ${inline ? "inline, in the messages" : "by reference, from owner to reader"}: ${what}`);
  let progress: ReturnType<typeof showProgress> | undefined;
  const reports = await running.run(clientFlagsOf(flags, inline), {
    onReady: () => progress = showProgress(flags.clients, flags["requests-per-client"]),
    onProgress: (update) => progress?.update(update),
    signal,
  });
  progress?.stop();
  for (const { client, exception } of reports) if (exception !== "") console.log(`Client: ${client} Exception: ${exception}`);
  const summary = summarize(reports);
  for (const line of summaryLines(summary)) console.log(line);
  return summary;
}

async function startHere(flags: StartFlags): Promise<Running> {
  console.log("Broker: none, one process holds the workers and the clients");
  const deployment = await startMemoryDeployment(layoutOf(flags));
  for (const { name } of deployment.workers) console.log(`Worker: ${name} in this process`);
  return {
    run: (client, view) => runClientsHere(client, { connect: () => deployment.connect(), ...view }),
    stop: () => deployment.stop(),
  };
}

async function startProcesses(flags: StartFlags, signal: AbortSignal): Promise<Running> {
  const groups = layoutOf(flags);
  if (groups.some(({ kind }) => kind === "GPU")) console.log(`Warning: ${GPU_NOTICE}`);
  const workers = groups.reduce((sum, { count }) => sum + count, 0);
  const definition = helloWorld(groups, {
    runtime: flags.runtime,
    broker: await brokerAtFreePorts((line) => console.log(line)),
    startingMetricsPort: await freePortsFrom(FIRST_METRICS_PORT, workers + (flags.sidecars ? groups.length : 0)),
    sidecars: flags.sidecars,
  });
  const deployment = await startDeployment(definition, {
    name: "hello-world",
    file: new URL("./deployment.ts", import.meta.url),
    signal,
    onEvent(event) {
      if (event.type === "note") console.log(`Broker: ${event.text}`);
      if (event.type !== "worker-ready") return;
      const { name, runtime, pid, metricsUrl } = event.worker;
      console.log(`Worker: ${name} serves, ${runtime} process ${pid}${metricsUrl === undefined ? "" : `, ${metricsUrl}`}`);
    },
  });
  console.log(`Deployment: ${deployment.urls.join(" and ")}`);
  let stopping = false;
  return {
    run: (client, view) => {
      const uri = deployment.urls[0] ?? client["request-plane-uri"];
      return runClientProcesses({ ...client, "request-plane-uri": uri }, { ...view, runtime: flags.runtime });
    },
    stop() {
      const hurry = stopping;
      stopping = true;
      return deployment.stop(hurry ? { drainMs: 0 } : {});
    },
  };
}
