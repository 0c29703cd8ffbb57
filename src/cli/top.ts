import { type CommandDef, defineCommand } from "citty";
import { Code, ConnectError } from "@connectrpc/connect";
import { runningDeployments } from "../deployment/mod.ts";
import { delay } from "../discovery/timer.ts";
import { telling } from "./failure.ts";
import { whole } from "./flags.ts";
import { type DeploymentRows, rowsBetween } from "./top/rates.ts";
import { renderTop } from "./top/render.ts";
import { openScreen, type Screen } from "./top/screen.ts";
import { type Snapshot, takeSnapshot } from "./top/snapshot.ts";

const args = {
  name: { type: "positional", description: "One deployment, as ps calls it; default all that run", required: false },
  "interval-ms": { type: "string", description: "How often to look, and what rates are over; default 1000" },
  once: { type: "boolean", description: "Look for one interval, print, and end" },
  json: { type: "boolean", description: "Print JSON, one line per look" },
} as const;

/** `waybill top [NAME]`: what the operators of this user's deployments do, live. */
export const top: CommandDef<typeof args> = defineCommand({
  meta: { name: "top", description: "Show live what the operators of running deployments do" },
  args,
  run: ({ args }) =>
    telling(async () => {
      const intervalMs = whole("--interval-ms", args["interval-ms"]) ?? 1_000;
      if (intervalMs < 100) {
        throw new ConnectError(
          `Cannot run this: --interval-ms must be at least 100, got "${intervalMs}"`,
          Code.InvalidArgument,
        );
      }
      if (args.name !== undefined && (await look(args.name)).length === 0) {
        throw new ConnectError(`Cannot show the deployment "${args.name}": waybill ps lists those that run`, Code.NotFound);
      }
      const write = (rows: readonly DeploymentRows[], screen?: Screen) => {
        if (args.json) console.log(JSON.stringify(rows));
        else if (screen === undefined) console.log(renderTop(rows).join("\n"));
        else screen.show([...renderTop(rows), "", "q quits"]);
      };
      if (args.once) {
        const before = await look(args.name);
        await delay(intervalMs);
        write(between(before, await look(args.name)));
        return 0;
      }
      // JSON is for programs: it leaves the terminal as it is.
      const screen = openScreen(args.json === true);
      try {
        let before = await look(args.name);
        while (!screen.left.aborted) {
          await delay(intervalMs, screen.left).catch(() => {});
          if (screen.left.aborted) break;
          const after = await look(args.name);
          write(between(before, after), screen);
          before = after;
        }
      } finally {
        screen.close();
      }
      return 0;
    }),
});

async function look(name: string | undefined): Promise<Snapshot[]> {
  const running = await runningDeployments();
  return await Promise.all(running.filter((deployment) => name === undefined || deployment.name === name).map(takeSnapshot));
}

function between(before: readonly Snapshot[], after: readonly Snapshot[]): DeploymentRows[] {
  return after.map((snapshot) => {
    const { name, pid } = snapshot.deployment;
    return rowsBetween(before.find(({ deployment }) => deployment.name === name && deployment.pid === pid), snapshot);
  });
}
