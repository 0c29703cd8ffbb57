import { type CommandDef, defineCommand } from "citty";
import { runWorker } from "../worker/mod.ts";
import { telling } from "./failure.ts";
import { workerOptions } from "./worker/options.ts";

const args = {
  file: { type: "positional", description: "The worker file", required: false },
  operator: {
    type: "string",
    description: "NAME,module=FILE: one more operator, out of a module; with ,maxInflight=3 and more. May be repeated",
  },
  name: { type: "string", description: "Its name in lists and logs (default: WAYBILL_NAME)" },
  url: {
    type: "string",
    description: "Broker URLs, with commas between them (default: WAYBILL_URL, else nats://127.0.0.1:4222)",
  },
  namespace: { type: "string", description: "The deployment's namespace (default: WAYBILL_NAMESPACE)" },
  "metrics-port": { type: "string", description: "Port of /metrics and /healthz; 0 for a free one (default: none)" },
  "log-level": { type: "string", description: "error, warn, info or debug; or 0 (error), 1 (info), 2 (debug)" },
} as const;

/** `waybill worker FILE`: runs the worker that a file defines. What is said here goes before what the file says. */
export const worker: CommandDef<typeof args> = defineCommand({
  meta: { name: "worker", description: "Run the worker that a file defines, or operators out of modules" },
  args,
  run: ({ args, rawArgs }) =>
    telling(async () => {
      await runWorker(await workerOptions(args, rawArgs));
      return 0;
    }),
});
