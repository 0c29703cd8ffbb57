/** Publishes tensors over UCX: `ucx-owner.ts TRANSPORT BYTES OPTIONS`. Asked to publish so many bytes, it answers with where they are. */
import process from "node:process";
import { UcxWire } from "../../src/sidecar/ucx/mod.ts";
import { CapabilityIssuer } from "../../src/waybill/capability.ts";
import { serveRequests } from "../lib/program.ts";
import { DAY_MS, tensorToJson, UCX_TRANSPORTS, type UcxBenchTransport } from "../lib/ucx.ts";

const [transport = "tcp", bytes = "0", options = "{}"] = process.argv.slice(2);
const key = crypto.getRandomValues(new Uint8Array(32));
const transports = UCX_TRANSPORTS[transport as UcxBenchTransport];
const wire = await UcxWire.open({ key, transports, ...JSON.parse(options) });
const issuer = CapabilityIssuer.create({ key });
const memory = await wire.addMemory(new Uint8Array(Number(bytes)).fill(1));

await serveRequests<{ publishBytes: number }>(async ({ publishBytes: byteSize }) => {
  const reference = crypto.getRandomValues(new Uint8Array(16));
  const notAfterMs = Date.now() + DAY_MS;
  const shape = [byteSize];
  const times = { expiresAtMs: notAfterMs, notAfterMs, leaseMs: DAY_MS };
  wire.publish({ reference, memory, offset: 0, byteSize, dtype: "UINT8", shape, ...times });
  const capability = await issuer.issue(reference, ["read"], notAfterMs);
  return { address: wire.address, waybill: tensorToJson({ reference, capability, byteSize, dtype: "UINT8", shape }) };
});
