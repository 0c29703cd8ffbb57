import type { WorkerRuntime } from "../../../src/deployment/mod.ts";
import { CLIENT_FLAGS, type ClientFlags, clientFlags } from "../client/options.ts";
import { LAYOUT_FLAGS, type LayoutFlags } from "./deployment-flags.ts";
import { type Flags, numberFlag, switchFlag, textFlag } from "./flags.ts";

/** Flags of the client that make sense where the deployment is started too. */
type PassedFlags = Pick<
  ClientFlags,
  | "requests-per-client"
  | "input-size-mean"
  | "input-size-stdev"
  | "clients"
  | "in-flight"
  | "timeout-ms"
  | "operator"
  | "inline"
>;

/** What `npm start` was told. */
export interface StartFlags extends PassedFlags, LayoutFlags {
  readonly "request-plane": "nats" | "memory";
  readonly "warm-up": number;
  readonly "runtime": WorkerRuntime;
  readonly "sidecars": boolean;
}

/** What `npm start` can be told. */
export const START_FLAGS: Flags<StartFlags> = {
  "request-plane": textFlag("what joins workers and clients: a nats-server, or one process alone", "nats", ["nats", "memory"]),
  "requests-per-client": numberFlag("requests that each client sends", 500, { min: 0, whole: true }),
  "input-size-mean": CLIENT_FLAGS["input-size-mean"],
  "input-size-stdev": CLIENT_FLAGS["input-size-stdev"],
  "clients": CLIENT_FLAGS.clients,
  "in-flight": CLIENT_FLAGS["in-flight"],
  "timeout-ms": CLIENT_FLAGS["timeout-ms"],
  "operator": CLIENT_FLAGS.operator,
  "inline": { ...CLIENT_FLAGS.inline, help: "send tensors in messages alone, without the run by reference" },
  "warm-up": numberFlag("requests that each client sends first and does not count", 100, { min: 0, whole: true }),
  ...LAYOUT_FLAGS,
  "sidecars": switchFlag("run each kind of worker on a node of its own, whose sidecar holds its tensors and moves them"),
  "runtime": textFlag<WorkerRuntime>("what runs workers and clients", "bun", ["bun", "deno", "node"]),
};

/** The flags of the clients. */
export function clientFlagsOf(flags: StartFlags, inline: boolean): ClientFlags {
  const { "request-plane": plane, "requests-per-client": requests, clients, operator } = flags;
  return clientFlags({
    ...(plane === "memory" ? { "request-plane-uri": "memory" } : {}),
    "requests-per-client": requests,
    "input-size-mean": flags["input-size-mean"],
    "input-size-stdev": flags["input-size-stdev"],
    "in-flight": flags["in-flight"],
    "timeout-ms": flags["timeout-ms"],
    "warm-up": flags["warm-up"],
    clients,
    operator,
    inline,
  });
}
