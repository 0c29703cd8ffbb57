import { type CommandDef, defineCommand } from "citty";
import { runningDeployments } from "../deployment/mod.ts";
import { telling } from "./failure.ts";
import { renderDeployments } from "./ps/render.ts";

const args = {
  json: { type: "boolean", description: "Print JSON" },
} as const;

/** `waybill ps`: the deployments of this user that run on this machine. */
export const ps: CommandDef<typeof args> = defineCommand({
  meta: { name: "ps", description: "List this user's running deployments and their workers" },
  args,
  run: ({ args }) =>
    telling(async () => {
      const deployments = await runningDeployments();
      console.log(args.json ? JSON.stringify(deployments, undefined, 2) : renderDeployments(deployments, Date.now()));
      return 0;
    }),
});
