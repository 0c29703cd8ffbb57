import { type CommandDef, defineCommand } from "citty";
import { Code, ConnectError } from "@connectrpc/connect";
import { changeArgs, makeChanges } from "./change.ts";
import { telling } from "./failure.ts";

const own = {
  component: {
    type: "positional",
    description: "NAME=N: a component and how many workers; several may be given",
    required: true,
  },
} as const;
type Args = typeof own & typeof changeArgs;
const args: Args = { ...own, ...changeArgs };

function parse(text: string): { component: string; count: number } {
  const [, component = "", count = ""] = /^([^=]+)=(\d+)$/.exec(text) ?? [];
  if (component !== "") return { component, count: Number(count) };
  throw new ConnectError(`Cannot scale: it must be NAME=N, such as encoder=4, got "${text}"`, Code.InvalidArgument);
}

/** `waybill scale NAME=N…`: starts more workers of a component, or lets some drain and end. */
export const scale: CommandDef<Args> = defineCommand({
  meta: { name: "scale", description: "Change how many workers components of a running deployment have" },
  args,
  run: ({ args }) => telling(() => makeChanges(args, args._.map((text) => ({ command: "scale", ...parse(text) })))),
});
