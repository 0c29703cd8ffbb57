import { type CommandDef, defineCommand } from "citty";
import { changeArgs, makeChanges } from "./change.ts";
import { telling } from "./failure.ts";

const own = {
  component: { type: "positional", description: "The component; several may be given", required: true },
} as const;
type Args = typeof own & typeof changeArgs;
const args: Args = { ...own, ...changeArgs };

/** `waybill remove NAME…`: lets all workers of a component drain and end. */
export const remove: CommandDef<Args> = defineCommand({
  meta: { name: "remove", description: "Drain and end components of a running deployment" },
  args,
  run: ({ args }) => telling(() => makeChanges(args, args._.map((component) => ({ command: "remove", component })))),
});
