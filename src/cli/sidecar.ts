import process from "node:process";
import { type CommandDef, defineCommand } from "citty";
import { runSidecar } from "../sidecar/mod.ts";
import { telling } from "./failure.ts";
import { sidecarOptions } from "./sidecar/options.ts";

const args = {
  node: { type: "string", description: "The node's name (default: WAYBILL_NODE, else the host's name)" },
  host: { type: "string", description: "The address to listen on for HTTP and gRPC (default: 127.0.0.1)" },
  port: { type: "string", description: "Its port; 0 for a free one (default: 0)" },
  advertise: { type: "string", description: "The URL by which others reach it, such as http://gpu-0:8080" },
  socket: { type: "string", description: "The Unix socket for local workers (default: <node>.sock in this user's folder)" },
  budget: { type: "string", description: "Bytes of all tensors, such as 512MiB or 8GiB (default: 1GiB)" },
  segment: { type: "string", description: "Bytes of one segment of shared memory (default: 64MiB)" },
  "gpu-bytes": { type: "string", description: "Bytes to take of each GPU, for tensors there, such as 4GiB (default: none)" },
  servers: { type: "string", description: "Broker URLs, with commas between them (default: WAYBILL_URL, else none)" },
  namespace: { type: "string", description: "The deployment's namespace (default: WAYBILL_NAMESPACE)" },
  "token-file": { type: "string", description: "File with bearer tokens, a line each, of callers that put and list tensors" },
  "ucx-bind": { type: "string", description: "The address that UCX listens on (default: that of --host)" },
  "ucx-port": { type: "string", description: "The port that UCX listens on; 0 for a free one (default: 0)" },
  "ucx-advertise": { type: "string", description: "The address by which peers reach it, HOST or HOST:PORT" },
  "net-devices": { type: "string", description: "Devices that UCX uses, as UCX_NET_DEVICES has them" },
  "ucx-tls": { type: "string", description: "Transports that UCX uses, as UCX_TLS has them" },
  ucx: { type: "boolean", default: true, description: "Whether UCX is used; --no-ucx leaves it out" },
  "shared-memory": {
    type: "boolean",
    default: true,
    description: "Whether tensors are in shared memory; --no-shared-memory: heap",
  },
  "metrics-port": { type: "string", description: "Port of /metrics and /healthz; 0 for a free one (default: none)" },
  "log-level": { type: "string", description: "error, warn, info or debug; or 0 (error), 1 (info), 2 (debug)" },
} as const;

/** `waybill sidecar`: runs a node's sidecar, until a signal. */
export const sidecar: CommandDef<typeof args> = defineCommand({
  meta: { name: "sidecar", description: "Run the sidecar of a node: it owns tensors in shared memory, and moves them" },
  args,
  run: ({ args }) =>
    telling(async () => {
      await runSidecar(await sidecarOptions(args), process.stdout.isTTY ? (line) => console.log(line) : undefined);
      return 0;
    }),
});
