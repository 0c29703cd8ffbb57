import process from "node:process";
import { type ChangeOptions, type ChangeProgress, changeRunning, type DeploymentChange } from "../deployment/mod.ts";
import { whole } from "./flags.ts";
import { renderDifferences, renderStep } from "./change/render.ts";

/** Arguments of all commands that change a running deployment. */
export const changeArgs = {
  deployment: { type: "string", alias: "d", description: "The deployment, as ps calls it; may be left out where one runs" },
  "drain-ms": { type: "string", description: "How long running requests have to end before a worker is killed" },
  "timeout-ms": { type: "string", description: "How long all of it may take (default: as long as its steps may)" },
  json: { type: "boolean", description: "Print the result as JSON instead of steps" },
} as const;

/** Arguments of commands that replace workers. */
export const replaceArgs = {
  "stop-first": {
    type: "boolean",
    description: "End each worker before its replacement starts, where there is no room for both",
  },
} as const;

/** What all those commands are told. */
export interface ChangeFlags {
  readonly deployment?: string;
  readonly "drain-ms"?: string;
  readonly "timeout-ms"?: string;
  readonly json?: boolean;
}

/** Ends what a shell would say of a program that Ctrl-C ended. */
const interrupted = 130;

/**
 * Makes changes to a running deployment, one after the other, and prints their steps. Ctrl-C gives up what is not done.
 *
 * @returns the exit code
 */
export async function makeChanges(flags: ChangeFlags, changes: readonly DeploymentChange[]): Promise<number> {
  const controller = new AbortController();
  const onSignal = () => controller.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
  const options: ChangeOptions = {
    drainMs: whole("--drain-ms", flags["drain-ms"]),
    timeoutMs: whole("--timeout-ms", flags["timeout-ms"]),
    signal: controller.signal,
    onProgress: (step: ChangeProgress) => flags.json === true || console.log(renderStep(step)),
  };
  for (const change of changes) {
    try {
      const result = await changeRunning(flags.deployment, change, options);
      if (flags.json === true) {
        console.log(JSON.stringify(result, undefined, 2));
        continue;
      }
      if (result.differences !== undefined) console.log(renderDifferences(result.differences));
      if (change.command === "remove") console.log(`${change.component}: removed`);
      for (const { name, count, ready } of result.components) {
        if (result.differences === undefined) console.log(`${name}: ${ready} of ${count} ready`);
      }
    } catch (error) {
      if (!controller.signal.aborted) throw error;
      console.error("Interrupted: what was begun is finished or taken out, the rest stays as it was; waybill status shows it");
      return interrupted;
    }
  }
  return 0;
}
