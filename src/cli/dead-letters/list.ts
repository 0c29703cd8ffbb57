import { type CommandDef, defineCommand } from "citty";
import { type DeadLetter, deadLettersOf } from "../../deployment/mod.ts";
import { connectionArgs, withClient } from "../connection.ts";
import { telling } from "../failure.ts";
import { renderLetters, toJson } from "./render.ts";

const own = {
  operator: { type: "string", description: "Only this operator's" },
  json: { type: "boolean", description: "Print JSON" },
} as const;
type Args = typeof own & typeof connectionArgs;
const args: Args = { ...own, ...connectionArgs };

/** `waybill dead-letters list`: requests that were given up, the oldest first. */
export const list: CommandDef<Args> = defineCommand({
  meta: { name: "list", description: "List requests that were given up, the oldest first" },
  args,
  run: ({ args }) =>
    telling(() =>
      withClient(args, async (client) => {
        const letters: DeadLetter[] = [];
        for await (const letter of deadLettersOf(client).list({ operator: args.operator })) letters.push(letter);
        console.log(args.json ? JSON.stringify(letters.map(toJson), undefined, 2) : renderLetters(letters));
        return 0;
      })
    ),
});
