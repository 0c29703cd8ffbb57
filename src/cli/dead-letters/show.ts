import { type CommandDef, defineCommand } from "citty";
import { deadLettersOf, deadRequestOf } from "../../deployment/mod.ts";
import { connectionArgs, withClient } from "../connection.ts";
import { telling } from "../failure.ts";
import { letterId } from "./letter-ids.ts";
import { renderLetter, toJson } from "./render.ts";

const own = {
  id: { type: "positional", description: "Its number, from the list", required: true },
  json: { type: "boolean", description: "Print JSON" },
} as const;
type Args = typeof own & typeof connectionArgs;
const args: Args = { ...own, ...connectionArgs };

/** `waybill dead-letters show ID`: what a request asked for, without tensors' contents and without secrets. */
export const show: CommandDef<Args> = defineCommand({
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
