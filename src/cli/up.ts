import { type CommandDef, defineCommand } from "citty";
import { deploymentLog, type DeploymentOverrides, deploymentPrinter, type LogLevel, runDeployment } from "../deployment/mod.ts";
import { programLogger } from "../worker/program-logger.ts";
import { detach } from "./detach.ts";
import { telling } from "./failure.ts";
import { loadDeployment } from "./load-deployment.ts";
import { logLevel, port } from "./flags.ts";

const args = {
  file: { type: "positional", description: "The deployment file", required: true },
  name: { type: "string", description: "What ps and down call it" },
  "log-dir": { type: "string", description: "Folder of the logs (default: logs beside the file)" },
  "clear-logs": { type: "boolean", description: "Delete the logs of earlier runs first" },
  "log-level": { type: "string", description: "error, warn, info or debug; or 0 (error), 1 (info), 2 (debug)" },
  "starting-metrics-port": { type: "string", description: "Port of the first worker's metrics, +1 for each other; 0 for none" },
  port: { type: "string", description: "TCP port of the broker; 0 for a free one" },
  "websocket-port": { type: "string", description: "Websocket port of the broker; 0 for a free one" },
  json: { type: "boolean", description: "Print JSON lines, for programs that collect logs" },
  detach: { type: "boolean", description: "Leave it running in the background once it serves" },
} as const;

/** `waybill up FILE`: runs a deployment until it is stopped. */
export const up: CommandDef<typeof args> = defineCommand({
  meta: { name: "up", description: "Start the broker and workers of a deployment file, and watch over them" },
  args,
  run: ({ args }) =>
    telling(async () => {
      const { path, value: definition } = await loadDeployment(args.file);
      const level: LogLevel | undefined = logLevel("--log-level", args["log-level"]);
      const overrides: DeploymentOverrides = {
        file: path,
        name: args.name,
        logDir: args["log-dir"],
        clearLogs: args["clear-logs"],
        logLevel: level,
        startingMetricsPort: port("--starting-metrics-port", args["starting-metrics-port"]),
        port: port("--port", args.port),
        websocketPort: port("--websocket-port", args["websocket-port"]),
      };
      if (args.detach) return await detach(definition, overrides);
      const onEvent = args.json
        ? deploymentLog(programLogger({ WAYBILL_LOG_LEVEL: level }, false))
        : deploymentPrinter({ verbose: level === "debug" });
      return await runDeployment(definition, { ...overrides, onEvent });
    }),
});
