import { basename, extname, resolve } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { type CommandDef, defineCommand } from "citty";
import {
  type DeploymentDefinition,
  type DeploymentWorker,
  isDeploymentDefinition,
  type WorkerRuntime,
} from "../deployment/mod.ts";
import { pathOf } from "../deployment/component-plan.ts";
import { ownRuntime } from "../deployment/runtimes.ts";
import { isWorkerDefinition, type WorkerDefinition } from "../worker/mod.ts";
import { changeArgs, makeChanges } from "./change.ts";
import { telling } from "./failure.ts";
import { whole } from "./flags.ts";
import { loadDefault } from "./load-default.ts";

const own = {
  file: { type: "positional", description: "A worker file, or a deployment file and the component's name", required: true },
  component: {
    type: "positional",
    description: "Of a deployment file: which component; all where it is left out",
    required: false,
  },
  name: { type: "string", description: "Of a worker file: what the component is called (default: the file's name)" },
  count: { type: "string", description: "How many workers (default: what the file says, else 1)" },
  runtime: { type: "string", description: "Of a worker file: bun, deno or node (default: the deployment's)" },
  operators: {
    type: "string",
    description: "Of a worker file: which of its operators, with commas between them (default: all)",
  },
} as const;
type Args = typeof own & typeof changeArgs;
const args: Args = { ...own, ...changeArgs };

/** `waybill add FILE`: starts a component that a running deployment does not have. What follows `--` are a worker file's arguments. */
export const add: CommandDef<Args> = defineCommand({
  meta: { name: "add", description: "Start a component in a running deployment; a worker file's arguments follow --" },
  args,
  run: ({ args, rawArgs }) =>
    telling(async () => {
      const count = whole("--count", args.count);
      const end = rawArgs.indexOf("--");
      const single: DeploymentWorker = {
        name: args.name ?? basename(args.file, extname(args.file)),
        file: resolve(args.file),
        // Unknown ones are refused by the deployment.
        runtime: args.runtime as WorkerRuntime | undefined,
        operators: args.operators?.split(","),
        args: end < 0 ? [] : rawArgs.slice(end + 1),
      };
      // A worker of another runtime may import what this one does not have.
      const isForeign = args.runtime !== undefined && args.runtime !== ownRuntime();
      const workers = isForeign ? [single] : await workersOf(args.file, args.component, single);
      const counted = workers.map((worker) => ({ ...worker, count: count ?? worker.count }));
      return await makeChanges(args, counted.map((worker) => ({ command: "add", worker })));
    }),
});

async function workersOf(file: string, component: string | undefined, single: DeploymentWorker): Promise<DeploymentWorker[]> {
  const { path, value } = await loadDefault<WorkerDefinition | DeploymentDefinition>(file, {
    what: "component",
    maker: "defineWorker() or defineDeployment",
    is: (value): value is WorkerDefinition | DeploymentDefinition => isWorkerDefinition(value) || isDeploymentDefinition(value),
  });
  if (!isDeploymentDefinition(value)) return [single];
  const { workers = [], runtime } = value.options;
  const chosen = workers.filter(({ name }) => component === undefined || name === component);
  if (chosen.length === 0) {
    const names = workers.map(({ name }) => `"${name}"`).join(", ");
    throw new ConnectError(`Cannot add "${component}": the components of "${file}" are ${names}`, Code.NotFound);
  }
  const folder = resolve(path, "..");
  return chosen.map((worker) => ({ ...worker, runtime: worker.runtime ?? runtime, file: pathOf(worker.file, folder) }));
}
