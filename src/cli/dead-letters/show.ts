import { type CommandDef, defineCommand } from "citty";
import { deadLettersOf, deadRequestOf } from "../../deployment/mod.ts";
import { withClient } from "../connection.ts";
import { telling } from "../failure.ts";
import { letterId } from "./letter-ids.ts";
import { renderLetter, toJson } from "./render.ts";

const args = {
  id: { type: "positional", description: "Its number, from the list", required: true },
  url: { type: "string", description: "Broker URLs (default: WAYBILL_URL, else the one deployment that runs here)" },
  namespace: { type: "string", description: "The deployment's namespace (default: WAYBILL_NAMESPACE, else that deployment's)" },
  json: { type: "boolean", description: "Print JSON" },
} as const;

/** `waybill dead-letters show ID`: what a request asked for, without tensors' contents and without secrets. */
export const show: CommandDef<typeof args> = defineCommand({
  meta: { name: "show", description: "Show what a request that was given up asked for; neither contents nor secrets" },
  args,
  run: ({ args }) =>
    telling(() =>
      withClient(args, async (client) => {
        const letter = await deadLettersOf(client).get(letterId(args.id));
        const request = deadRequestOf(letter);
        console.log(args.json ? JSON.stringify({ ...toJson(letter), request }, undefined, 2) : renderLetter(letter, request));
        return 0;
      })
    ),
});
