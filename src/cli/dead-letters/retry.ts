import { type CommandDef, defineCommand } from "citty";
import { deadLettersOf } from "../../deployment/mod.ts";
import { connectionArgs, withClient } from "../connection.ts";
import { telling } from "../failure.ts";
import { whole } from "../flags.ts";
import { chosenIds } from "./letter-ids.ts";

const own = {
  operator: { type: "string", description: "All of this operator's, instead of numbers" },
  "timeout-ms": { type: "string", description: "What each request may take from now on (default: as when it was sent)" },
  json: { type: "boolean", description: "Print JSON" },
} as const;
type Args = typeof own & typeof connectionArgs;
const args: Args = { ...own, ...connectionArgs };

/** `waybill dead-letters retry ID…`: puts requests back into their queues. */
export const retry: CommandDef<Args> = defineCommand({
  meta: { name: "retry", description: "Put requests back into their queues, their attempts counted anew: ID… or --operator" },
  args,
  run: ({ args }) =>
    telling(() =>
      withClient(args, async (client) => {
        const letters = deadLettersOf(client);
        const requestTimeoutMs = whole("--timeout-ms", args["timeout-ms"]);
        const ids = await chosenIds(letters, args._, args.operator);
        const retried: { id: number; queued: number }[] = [];
        for (const id of ids) {
          const queued = await letters.retry(id, { requestTimeoutMs });
          retried.push({ id, queued });
          if (!args.json) console.log(`Dead letter ${id} is back in its queue, as number ${queued}`);
        }
        if (args.json) console.log(JSON.stringify(retried, undefined, 2));
        else if (ids.length === 0) console.log("No dead letters");
        return 0;
      })
    ),
});
