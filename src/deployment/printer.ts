import { inspect } from "node:util";
import type { DeploymentChange } from "./changes.ts";
import type { DeploymentEvent } from "./events.ts";
import { exitText } from "./exit.ts";
import type { ComponentStatus, WorkerStatus } from "./status.ts";

type Level = "DEBUG" | "INFO" | "WARN" | "ERROR";

/** How to print. */
export interface DeploymentPrinterOptions {
  /** Takes a line, or several, without the last line's end. Default `console.log`. */
  write?: (text: string) => void;
  /** Whether steps on the way are told too, such as where the broker was found. Default `false`. */
  verbose?: boolean;
}

function indented(lines: readonly string[]): string {
  return lines.map((line) => `\t${line}`).join("\n");
}

function block(title: string, value: unknown): string {
  const text = inspect(value, { depth: 6, breakLength: 100, compact: 3, colors: false });
  return `\n\n\t${title}:\n${indented(text.split("\n"))}\n`;
}

function processOf({ name, pid, runtime }: WorkerStatus): string {
  return `<Process name='${name}' pid=${pid} runtime=${runtime}>`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function ending(log: readonly string[]): string {
  return log.length === 0 ? "its log is empty" : `its log ends with:\n${indented(log)}`;
}

function endOf({ worker, exit, inARow, restartInMs, log }: Extract<DeploymentEvent, { type: "worker-exited" }>): string {
  const often = inARow > 1 ? `, ${inARow} times in a row now` : "";
  const next = restartInMs === undefined ? "it is given up" : `it starts again in ${seconds(restartInMs)}`;
  return `Worker Exited: ${worker.name} ended with ${exitText(exit)}${often}, ${next}; ${
    ending(log)
  }\n\tLog: ${worker.logFile}`;
}

function changeText(change: DeploymentChange): string {
  switch (change.command) {
    case "scale":
      return `scale ${change.component} to ${change.count}`;
    case "add":
      return `add ${change.worker.name}`;
    case "apply":
      return `apply ${change.file ?? "a definition"}${change.dryRun === true ? ", and do nothing" : ""}`;
    default:
      return `${change.command} ${change.component}`;
  }
}

function componentText({ name, ready, count, health }: ComponentStatus): string {
  return `${name} has ${ready} of ${count} ready${health === "ready" ? "" : `, is ${health}`}`;
}

/**
 * Makes lines for people of what happens to a deployment: headlines bare, details as log records.
 *
 * @example
 * ```ts
 * await startDeployment(definition, { onEvent: deploymentPrinter() });
 * ```
 */
export function deploymentPrinter(options: DeploymentPrinterOptions = {}): (event: DeploymentEvent) => void {
  const { write = (text) => console.log(text), verbose = false } = options;
  const record = (level: Level, text: string) => {
    const time = new Date().toTimeString().slice(0, 8);
    const millis = String(Date.now() % 1000).padStart(3, "0");
    write(`${time}.${millis} deployment[waybill] ${level}: ${text}`);
  };
  return (event) => {
    switch (event.type) {
      case "note":
        return verbose ? record("DEBUG", event.text) : undefined;
      case "starting":
        return write("Starting Workers");
      case "worker-starting":
        return record("INFO", `\n\nStarting Worker:${block("Config", event.config)}\t${processOf(event.worker)}\n`);
      case "worker-ready": {
        const { name, operators, restarts } = event.worker;
        const text = `Worker Ready: ${name} serves ${operators.join(", ")}`;
        return verbose || restarts > 0 ? record(restarts > 0 ? "INFO" : "DEBUG", text) : undefined;
      }
      case "worker-lost":
        return record("WARN", `Worker Lost: ${event.worker.name} has not been heard of for the time of its lease`);
      case "worker-exited":
        return record(event.restartInMs === undefined ? "ERROR" : "WARN", endOf(event));
      case "broker-exited": {
        const next = `it starts again in ${seconds(event.restartInMs)}`;
        return record("ERROR", `Broker Exited: it ended with ${exitText(event.exit)}, ${next}; ${ending(event.log)}`);
      }
      case "broker-restarted":
        return record("INFO", `Broker Restarted: pid ${event.pid}`);
      case "started": {
        const { name, urls, workers } = event.deployment;
        write(`Deployment "${name}" with ${workers.length} workers at ${urls.join(" and ")}`);
        return write("Workers started ... press Ctrl-C to Exit");
      }
      case "changing":
        return record("INFO", `Changing: ${changeText(event.change)}`);
      case "changed":
        return record("INFO", `Changed: ${event.result.components.map(componentText).join("; ") || changeText(event.change)}`);
      case "stopping":
        return write("Stopping Workers");
      case "worker-stopping":
        return record("INFO", `Stopping Worker:\n\n\t${processOf(event.worker)}\n`);
      case "worker-stopped":
        return record("INFO", `Worker Stopped:\n\n\t${processOf(event.worker)}, ${exitText(event.exit)}\n`);
      case "stopped":
        return write(`Workers Stopped Exit Code ${event.exitCode}`);
    }
  };
}
