import { table } from "../table.ts";
import type { DeploymentRows, OperatorRow } from "./rates.ts";

const head = ["OPERATOR", "INST", "IN FLIGHT", "QUEUE", "OLDEST", "REQ/S", "ERR/S", "P50", "P99", "REDELIV", "DEAD", "BYTES/S"];

/** Deployments and their operators as lines. */
export function renderTop(deployments: readonly DeploymentRows[]): string[] {
  if (deployments.length === 0) return ["No deployment runs"];
  return deployments.flatMap((deployment, index) => [...index === 0 ? [] : [""], ...section(deployment)]);
}

function section(deployment: DeploymentRows): string[] {
  const { name, state, workers, workersReady, brokerUp, workersMeasured, eventLoopLagP99Seconds, operators } = deployment;
  const facts = [`${workersReady} of ${workers} workers ready`];
  if (brokerUp === false) facts.push("broker does not answer");
  if (eventLoopLagP99Seconds !== undefined) facts.push(`worst event-loop lag ${seconds(eventLoopLagP99Seconds)} (p99)`);
  const title = `${name}: ${state}, ${facts.join(", ")}`;
  const silent = workersMeasured === 0 && workers > 0 ? ["  no worker tells metrics: startingMetricsPort must not be 0"] : [];
  return [title, ...silent, ...operators.length === 0 ? [] : table([head, ...operators.map(cells)]).map((line) => `  ${line}`)];
}

function cells(row: OperatorRow): string[] {
  const ways = Object.entries(row.bytesPerSecond).map(([way, rate]) => `${way} ${bytes(rate)}`);
  return [
    row.operator,
    row.instances === undefined ? "-" : String(row.instances),
    `${row.inFlight}/${row.slots}`,
    row.queued === undefined ? "-" : String(row.queued),
    row.oldestSeconds === undefined || row.oldestSeconds === 0 ? "-" : seconds(row.oldestSeconds),
    rate(row.requestsPerSecond),
    rate(row.errorsPerSecond),
    row.p50Seconds === undefined ? "-" : seconds(row.p50Seconds),
    row.p99Seconds === undefined ? "-" : seconds(row.p99Seconds),
    String(row.redeliveries),
    row.deadLetters === undefined ? "-" : String(row.deadLetters),
    ways.length === 0 ? "-" : ways.join(", "),
  ];
}

function rate(value: number): string {
  return value === 0 || value >= 100 ? String(Math.round(value)) : value.toFixed(1);
}

/** Seconds in a unit that suits them. */
export function seconds(value: number): string {
  if (value >= 100) return `${Math.round(value)} s`;
  if (value >= 1) return `${value.toFixed(1)} s`;
  return value >= 0.01 ? `${Math.round(value * 1000)} ms` : `${(value * 1000).toFixed(1)} ms`;
}

/** Bytes in a unit that suits them. */
export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB"];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)));
  const scaled = value / 1024 ** unit;
  return `${unit === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${units[unit]}`;
}
