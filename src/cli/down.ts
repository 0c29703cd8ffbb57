import { type CommandDef, defineCommand } from "citty";
import { stopRunning } from "../deployment/mod.ts";
import { telling } from "./failure.ts";
import { whole } from "./flags.ts";

const args = {
  name: { type: "positional", description: "The deployment, as ps calls it; may be left out where one runs", required: false },
  "drain-ms": { type: "string", description: "How long running requests have to end; 0 ends all at once" },
} as const;

/** `waybill down [NAME]`: drains and stops a deployment; its exit code is the deployment's. */
export const down: CommandDef<typeof args> = defineCommand({
  meta: { name: "down", description: "Drain and stop a running deployment" },
  args,
  run: ({ args }) =>
    telling(async () => {
      const { name, exitCode } = await stopRunning(args.name, { drainMs: whole("--drain-ms", args["drain-ms"]) });
      console.log(`Deployment "${name}" has stopped with exit code ${exitCode}`);
      return exitCode;
    }),
});
