/**
 * The program that `waybill up` runs as a node's sidecar; `src/deployment` tells it what to be in its environment.
 *
 * @module
 */
import process from "node:process";
import type { SidecarOptions } from "./options.ts";
import { runSidecar } from "./run-sidecar.ts";

const { env } = process;
const options: SidecarOptions = JSON.parse(env.WAYBILL_SIDECAR_OPTIONS ?? "{}");
const metricsPort = env.WAYBILL_METRICS_PORT ? Number(env.WAYBILL_METRICS_PORT) : undefined;
await runSidecar({
  ...options,
  servers: env.WAYBILL_URL?.split(","),
  namespace: env.WAYBILL_NAMESPACE,
  token: env.WAYBILL_TOKEN,
  user: env.WAYBILL_USER,
  password: env.WAYBILL_PASSWORD,
  tokens: env.WAYBILL_SIDECAR_TOKENS?.split("\n"),
  waitOnFirstConnectMs: 30_000,
  metricsPort,
});
