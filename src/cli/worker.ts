import { type CommandDef, defineCommand } from "citty";
import { isWorkerDefinition, runWorker } from "../worker/mod.ts";
import { telling } from "./failure.ts";
import { port } from "./flags.ts";
import { loadDefault } from "./load-default.ts";

const args = {
  file: { type: "positional", description: "The worker file", required: true },
  name: { type: "string", description: "Its name in lists and logs (default: WAYBILL_NAME)" },
  url: {
    type: "string",
    description: "Broker URLs, with commas between them (default: WAYBILL_URL, else nats://127.0.0.1:4222)",
  },
  namespace: { type: "string", description: "The deployment's namespace (default: WAYBILL_NAMESPACE)" },
  "metrics-port": { type: "string", description: "Port of /metrics and /healthz; 0 for a free one (default: none)" },
} as const;

/** `waybill worker FILE`: runs the worker that a file defines. What is said here goes before what the file says. */
export const worker: CommandDef<typeof args> = defineCommand({
  meta: { name: "worker", description: "Run the worker that a file defines" },
  args,
  run: ({ args }) =>
    telling(async () => {
      const { value } = await loadDefault(args.file, { what: "worker", maker: "defineWorker", is: isWorkerDefinition });
      const { options } = value;
      await runWorker({
        ...options,
        name: args.name ?? options.name,
        servers: args.url?.split(",") ?? options.servers,
        namespace: args.namespace ?? options.namespace,
        metricsPort: port("--metrics-port", args["metrics-port"]) ?? options.metricsPort,
      });
      return 0;
    }),
});
