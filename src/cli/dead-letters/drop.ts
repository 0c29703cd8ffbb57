import { type CommandDef, defineCommand } from "citty";
import { deadLettersOf } from "../../deployment/mod.ts";
import { connectionArgs, withClient } from "../connection.ts";
import { telling } from "../failure.ts";
import { chosenIds } from "./letter-ids.ts";

const own = {
  operator: { type: "string", description: "All of this operator's, instead of numbers" },
  json: { type: "boolean", description: "Print JSON" },
} as const;
type Args = typeof own & typeof connectionArgs;
const args: Args = { ...own, ...connectionArgs };

/** `waybill dead-letters drop ID…`: removes requests for good. */
export const drop: CommandDef<Args> = defineCommand({
  meta: { name: "drop", description: "Remove requests that were given up for good: ID… or --operator" },
  args,
  run: ({ args }) =>
    telling(() =>
      withClient(args, async (client) => {
        const letters = deadLettersOf(client);
        const ids = await chosenIds(letters, args._, args.operator);
        for (const id of ids) await letters.drop(id);
        const [first] = ids;
        console.log(
          args.json
            ? JSON.stringify(ids)
            : ids.length === 1
            ? `Dropped dead letter ${first}`
            : `Dropped ${ids.length} dead letters`,
        );
        return 0;
      })
    ),
});
