import { type CommandDef, defineCommand } from "citty";
import { type DeadLetter, deadLettersOf } from "../../deployment/mod.ts";
import { withClient } from "../connection.ts";
import { telling } from "../failure.ts";
import { renderLetters, toJson } from "./render.ts";

const args = {
  operator: { type: "string", description: "Only this operator's" },
  url: { type: "string", description: "Broker URLs (default: WAYBILL_URL, else the one deployment that runs here)" },
  namespace: { type: "string", description: "The deployment's namespace (default: WAYBILL_NAMESPACE, else that deployment's)" },
  json: { type: "boolean", description: "Print JSON" },
} as const;

/** `waybill dead-letters list`: requests that were given up, the oldest first. */
export const list: CommandDef<typeof args> = defineCommand({
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
