import type { ClientFlags } from "./options.ts";
import { runClientProcesses } from "./processes.ts";
import { noProgress, showProgress } from "./progress.ts";
import { type ClientReport, summarize, summaryLines } from "./report.ts";

/** Runs clients as the flags say and prints what became of them; resolves with the exit code, the number of clients that failed. */
export async function runClients(flags: ClientFlags, signal: AbortSignal): Promise<number> {
  if (flags["request-plane-uri"] === "memory") {
    console.error("A request plane in memory is within one process: run single_file.ts --request-plane memory instead");
    return 2;
  }
  let progress = noProgress;
  signal.addEventListener("abort", () => {
    progress.stop();
    if (!flags.json) console.log("Stopping Clients");
  });
  const reports = await runClientProcesses(flags, {
    onReady: () => progress = flags.json ? noProgress : showProgress(flags.clients, flags["requests-per-client"]),
    onProgress: (update) => progress.update(update),
    signal,
  });
  progress.stop();
  return report(flags, reports);
}

/** Prints what became of the clients; returns the exit code. */
export function report(flags: ClientFlags, reports: readonly ClientReport[]): number {
  const summary = summarize(reports);
  if (flags.json) {
    const clients = reports.map(({ latenciesMs, ...rest }) => ({ ...rest, measured: latenciesMs.length }));
    console.log(JSON.stringify({ ...summary, operator: flags.operator, inline: flags.inline, clients }, undefined, 2));
  } else {
    for (const { client, exception } of reports) if (exception !== "") console.log(`Client: ${client} Exception: ${exception}`);
    for (const line of summaryLines(summary)) console.log(line);
    console.log(`Clients Stopped Exit Code ${summary.exitCode}`);
  }
  return summary.exitCode;
}
