import { type CommandDef, defineCommand } from "citty";
import { connectionArgs } from "./connection.ts";
import { telling } from "./failure.ts";
import { whole } from "./flags.ts";
import { heldByNodes, heldOverSocket } from "./tensors/held.ts";
import { renderHeld } from "./tensors/render.ts";

const own = {
  node: { type: "positional", description: "The node; all nodes that discovery knows where it is left out", required: false },
  socket: { type: "string", description: "Ask the node with this Unix socket, without a broker" },
  limit: { type: "string", description: "Tensors of each node at most (default: 1000)" },
  json: { type: "boolean", description: "Print JSON" },
} as const;

type Args = typeof own & typeof connectionArgs;
const args: Args = { ...own, ...connectionArgs };

/** `waybill tensors [NODE]`: what nodes hold, for whom, and until when. */
export const tensors: CommandDef<Args> = defineCommand({
  meta: { name: "tensors", description: "List the tensors that nodes hold, for whom, and until when" },
  args,
  run: ({ args }) =>
    telling(async () => {
      const limit = whole("--limit", args.limit) ?? 1_000;
      const nodes = args.socket === undefined
        ? await heldByNodes(args, { node: args.node, limit })
        : [await heldOverSocket(args.socket, limit)];
      console.log(args.json ? JSON.stringify(nodes, undefined, 2) : renderHeld(nodes, Date.now()));
      return 0;
    }),
});
