import process from "node:process";
import cliProgress from "cli-progress";
import type { ClientProgress } from "./report.ts";

/** Shows how far the clients are. */
export interface ProgressView {
  update(progress: ClientProgress): void;
  /** Leaves what it shows where it is. */
  stop(): void;
}

/** Nothing, for those who read JSON. */
export const noProgress: ProgressView = { update() {}, stop() {} };

/** The text of one client's row. */
export function progressText({ client, request, from, error }: ClientProgress): string {
  return `Client: ${client} Received Response: ${request} From: ${from || "nobody"} Error: ${error || "None"}`;
}

/** The same where there is one client. */
export function finishedText({ request, from, error }: ClientProgress): string {
  return `Finished Request: ${request} Response From: ${from || "nobody"} Error: ${error || "None"}`;
}

/** Elsewhere than on a terminal there is a line at least this often, as long as there is something to tell. */
const LINE_MS = 5_000;

/** A bar for each client on a terminal; elsewhere a line for each tenth of the way, and one now and then. */
export function showProgress(
  clients: number,
  requestsPerClient: number,
  textOf: (progress: ClientProgress) => string = progressText,
): ProgressView {
  return process.stdout.isTTY ? bars(clients, requestsPerClient, textOf) : lines(requestsPerClient, textOf);
}

function bars(clients: number, total: number, textOf: (progress: ClientProgress) => string): ProgressView {
  const view = new cliProgress.MultiBar({
    format: "{text}: {percentage}% |{bar}| {value}/{total} [{duration_formatted}<{eta_formatted}, {rate} request/s]",
    barsize: 20,
    stream: process.stdout,
    autopadding: true,
    hideCursor: true,
    // Ctrl-C is ours to handle: the clients are stopped first.
    gracefulExit: false,
  }, cliProgress.Presets.shades_classic);
  const startedAt = performance.now();
  const rows = Array.from(
    { length: clients },
    (_, client) => view.create(total, 0, { text: `Client: ${client}`, rate: "0.0" }),
  );
  return {
    update(progress) {
      const rate = (1000 * progress.ended / (performance.now() - startedAt)).toFixed(1);
      rows[progress.client]?.update(progress.ended, { text: textOf(progress), rate });
    },
    stop: () => view.stop(),
  };
}

function lines(total: number, textOf: (progress: ClientProgress) => string): ProgressView {
  const startedAt = performance.now();
  const shown = new Map<number, { tenth: number; at: number }>();
  return {
    update(progress) {
      const { client, ended, error } = progress;
      const tenth = total === 0 ? 10 : Math.floor(10 * ended / total);
      const now = performance.now();
      const before = shown.get(client) ?? { tenth: 0, at: startedAt };
      if (tenth === before.tenth && error === "" && now - before.at < LINE_MS) return;
      shown.set(client, { tenth, at: now });
      const seconds = (now - startedAt) / 1000;
      const rate = (ended / seconds).toFixed(1);
      console.log(`${textOf(progress)}: ${ended}/${total} [${seconds.toFixed(1)} s, ${rate} request/s]`);
    },
    stop() {},
  };
}
