import { type CommandDef, defineCommand } from "citty";
import { changeArgs, makeChanges, replaceArgs } from "./change.ts";
import { telling } from "./failure.ts";
import { loadDeployment } from "./load-deployment.ts";

const own = {
  file: { type: "positional", description: "The deployment file", required: true },
  "dry-run": { type: "boolean", description: "Say what would be done, and do nothing" },
} as const;
type Args = typeof own & typeof replaceArgs & typeof changeArgs;
const args: Args = { ...own, ...replaceArgs, ...changeArgs };

/** `waybill apply FILE`: makes a running deployment what its file says, and touches only what differs. */
export const apply: CommandDef<Args> = defineCommand({
  meta: { name: "apply", description: "Make a running deployment what its file says now: a rolling upgrade of what differs" },
  args,
  run: ({ args }) =>
    telling(async () => {
      const { path, value } = await loadDeployment(args.file);
      const order = args["stop-first"] ? "stop-first" : "start-first";
      const change = { command: "apply", options: value.options, file: path, order, dryRun: args["dry-run"] } as const;
      return await makeChanges(args, [change]);
    }),
});
