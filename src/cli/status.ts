import { type CommandDef, defineCommand } from "citty";
import { findRunning } from "../deployment/mod.ts";
import { telling } from "./failure.ts";
import { renderStatus } from "./status/render.ts";

const args = {
  name: { type: "positional", description: "The deployment, as ps calls it; may be left out where one runs", required: false },
  json: { type: "boolean", description: "Print JSON" },
} as const;

/** `waybill status [NAME]`: how each component is, and why; the exit code is 0 where all of them serve. */
export const status: CommandDef<typeof args> = defineCommand({
  meta: { name: "status", description: "Say how each component is, and why; exit code 0 where all of them serve, else 1" },
  args,
  run: ({ args }) =>
    telling(async () => {
      const deployment = await findRunning(args.name, "tell the status of");
      console.log(args.json ? JSON.stringify(deployment, undefined, 2) : renderStatus(deployment));
      const { state, components = [] } = deployment.status ?? {};
      return state === "running" && components.every(({ health }) => health === "ready") ? 0 : 1;
    }),
});
