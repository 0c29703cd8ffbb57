import { setTimeout as delay } from "node:timers/promises";
import { type CommandDef, defineCommand } from "citty";
import { Code, ConnectError } from "@connectrpc/connect";
import { type DeploymentStatus, findRunning } from "../deployment/mod.ts";
import { LogFollower } from "../deployment/follow-log.ts";
import { telling } from "./failure.ts";
import { whole } from "./flags.ts";
import { inOrder, type LogLine } from "./logs/lines.ts";
import { linePrinter } from "./logs/print.ts";

const args = {
  name: {
    type: "positional",
    description: "A component, a worker such as encoder.0, or nats-server (default: all workers)",
    required: false,
  },
  follow: { type: "boolean", alias: "f", description: "Go on with what comes, until the deployment ends" },
  tail: { type: "string", alias: "n", description: "How many lines of each to begin with, or all (default: 100)" },
  raw: { type: "boolean", description: "Print JSON lines as they are on a terminal too" },
  deployment: { type: "string", alias: "d", description: "The deployment, as ps calls it; may be left out where one runs" },
} as const;

const broker = "nats-server";
const followMs = 200;

/** `waybill logs [NAME]`: what workers have written, each line behind its worker's name. */
export const logs: CommandDef<typeof args> = defineCommand({
  meta: { name: "logs", description: "Print what workers write, and follow it with -f" },
  args,
  run: ({ args }) =>
    telling(async () => {
      const tail = args.tail === "all" ? Infinity : whole("--tail", args.tail) ?? 100;
      const { name, status } = await findRunning(args.deployment, "read the logs of");
      if (status === undefined) {
        throw new ConnectError(`Cannot read the logs of "${name}": it does not answer`, Code.Unavailable);
      }
      if (filesOf(status, args.name).size === 0) throw unknown(status, args.name);
      const print = linePrinter({ raw: args.raw === true });
      const followers = new Map<string, LogFollower>();
      const begin = async (now: DeploymentStatus) => {
        const fresh = [...filesOf(now, args.name)].filter(([worker]) => !followers.has(worker));
        const lines = await Promise.all(fresh.map(async ([worker, file]) => {
          const follower = new LogFollower(file);
          followers.set(worker, follower);
          return named(worker, await follower.last(tail));
        }));
        print(inOrder(lines));
      };
      await begin(status);
      const isSame = (now: DeploymentStatus | undefined) => now?.pid === status.pid;
      for (let running = true; args.follow === true && running;) {
        const until = performance.now() + 1_000;
        while (performance.now() < until) {
          await delay(followMs);
          print((await Promise.all([...followers].map(async ([worker, one]) => named(worker, await one.next())))).flat());
        }
        // Workers come and go.
        const now = (await findRunning(name, "read the logs of").catch(() => undefined))?.status;
        running = isSame(now);
        if (now !== undefined && running) await begin(now);
      }
      return 0;
    }),
});

function named(name: string, texts: readonly string[]): LogLine[] {
  return texts.map((text) => ({ name, text }));
}

function filesOf({ workers, broker: own }: DeploymentStatus, wanted: string | undefined): Map<string, string> {
  const chosen = workers.filter(({ name, component }) => wanted === undefined || wanted === name || wanted === component);
  const files = new Map(chosen.map(({ name, logFile }) => [name, logFile]));
  if (wanted === broker && own !== undefined) files.set(broker, own.logFile);
  return files;
}

function unknown({ name, components, broker: own }: DeploymentStatus, wanted: string | undefined): ConnectError {
  const known = [...components.map(({ name }) => name), ...own === undefined ? [] : [broker]].map((one) => `"${one}"`).join(
    ", ",
  );
  const what = wanted === undefined ? "no workers" : `nothing called "${wanted}"`;
  return new ConnectError(`Cannot read the logs of "${name}": it has ${what}; it has ${known}`, Code.NotFound);
}
