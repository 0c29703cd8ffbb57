import type { RunningDeployment, WorkerStatus } from "../../deployment/mod.ts";
import { table } from "../table.ts";

/** How much of a log is shown. */
const mostLines = 5;

function endOf({ name, logFile, lastLines }: WorkerStatus): string[] {
  return [`  The log of ${name} ends with (${logFile}):`, ...lastLines.slice(-mostLines).map((line) => `    ${line}`)];
}

/** A deployment's components, and the logs of workers that do not serve. */
export function renderStatus({ name, pid, status }: RunningDeployment): string {
  if (status === undefined) return `${name}: not answering, pid ${pid}`;
  const { state, urls, namespace, components, sidecars } = status;
  const workers = [...sidecars, ...status.workers];
  const rows = components.map(({ name, health, ready, count, runtime, reason }) => [
    name,
    health,
    `${ready}/${count}`,
    runtime,
    reason ?? "",
  ]);
  for (const { name, state, runtime, reason } of sidecars) {
    rows.push([name, state, state === "ready" ? "1/1" : "0/1", runtime, reason ?? ""]);
  }
  const failing = workers.filter(({ state, lastLines }) => state !== "ready" && lastLines.length > 0);
  return [
    `${name}: ${state}, namespace ${namespace}, at ${urls.join(" and ")}`,
    ...table([["COMPONENT", "HEALTH", "READY", "RUNTIME", "REASON"], ...rows]).map((line) => `  ${line}`),
    ...failing.flatMap(endOf),
  ].join("\n");
}
