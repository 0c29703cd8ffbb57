import { table } from "../table.ts";
import type { RunningDeployment, WorkerStatus } from "../../deployment/mod.ts";

/** A duration in its two largest units, such as `3 h 5 min`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function rowOf(worker: WorkerStatus, now: number): string[] {
  const { name, pid, runtime, state, restarts, startedAtMs, metricsUrl, operators } = worker;
  const uptime = startedAtMs === undefined ? "-" : duration(now - startedAtMs);
  return [name, String(pid ?? "-"), runtime, state, String(restarts), uptime, metricsUrl ?? "-", operators.join(", ") || "-"];
}

const head = ["NAME", "PID", "RUNTIME", "STATE", "RESTARTS", "UPTIME", "METRICS", "OPERATORS"];

function section({ name, pid, file, startedAtMs, status }: RunningDeployment, now: number): string {
  const state = status?.state ?? "not answering";
  const title = `${name}: ${state}, pid ${pid}, up ${duration(now - startedAtMs)}${file === undefined ? "" : `, ${file}`}`;
  if (status === undefined) return title;
  const { urls, broker, sidecars } = status;
  const workers = [...sidecars, ...status.workers];
  const own = broker === undefined ? "" : ` (nats-server ${broker.state}, pid ${broker.pid ?? "-"})`;
  const rows = table([head, ...workers.map((worker) => rowOf(worker, now))]);
  const metrics = status.metricsUrl === undefined ? [] : [`  metrics of all: ${status.metricsUrl}`];
  const reasons = workers.filter(({ reason }) => reason !== undefined).map(({ name, reason }) => `${name} ${reason}`);
  return [title, `  ${urls.join(" and ")}${own}`, ...metrics, ...[...rows, ...reasons].map((line) => `  ${line}`)].join("\n");
}

/** Deployments and their workers as tables. */
export function renderDeployments(deployments: readonly RunningDeployment[], now: number): string {
  if (deployments.length === 0) return "No deployment runs";
  return deployments.map((deployment) => section(deployment, now)).join("\n\n");
}
