import { type CommandDef, defineCommand } from "citty";
import { changeArgs, makeChanges, replaceArgs } from "./change.ts";
import { telling } from "./failure.ts";

const own = {
  component: {
    type: "positional",
    description: "The component, or one worker, such as encoder.0; several may be given",
    required: true,
  },
} as const;
type Args = typeof own & typeof replaceArgs & typeof changeArgs;
const args: Args = { ...own, ...replaceArgs, ...changeArgs };

/** `waybill restart NAME…`: replaces workers by new ones, one by one, without a gap. */
export const restart: CommandDef<Args> = defineCommand({
  meta: { name: "restart", description: "Replace workers of a running deployment by new ones, one by one" },
  args,
  run: ({ args }) =>
    telling(() => {
      const order = args["stop-first"] ? "stop-first" : "start-first";
      return makeChanges(args, args._.map((component) => ({ command: "restart", component, order })));
    }),
});
