import type { TensorStore } from "../data/store.ts";
import type { GpuMemory } from "./gpu-memory.ts";
import type { NativeMemory } from "./native-memory.ts";
import type { ResolvedSidecarOptions } from "./options.ts";
import type { NativePart, NodeFacts } from "./service/describe.ts";
import { NodeWire, wireFault } from "./ucx/node-wire.ts";

/** A node's UCX, as far as there is any. */
export interface FoundWire {
  readonly wire: NodeWire | undefined;
  readonly found: NativePart;
  readonly transports: NodeFacts["ucxTransports"];
}

/** Opens UCX where it is found. Without it tensors go over HTTP and the bus, and the description says why. */
export async function openWire(
  { ucx = {}, host, logger }: ResolvedSidecarOptions,
  { addon, segments }: NativeMemory,
  { store, key, gpus }: { store: TensorStore; key: Uint8Array; gpus: GpuMemory | undefined },
): Promise<FoundWire> {
  const none = (detail: string): FoundWire => {
    return { wire: undefined, found: { name: "ucx", available: false, version: "", detail }, transports: [] };
  };
  if (ucx === false) return none("it is off");
  if (addon === undefined || segments === undefined) return none("it sends from shared memory, and there is none");
  let wire: NodeWire | undefined;
  try {
    wire = await NodeWire.open({ addon, segments, gpus, store, key, host, ucx, logger });
    const { version, library, address, transports, devices } = await wire.describe();
    const detail = `at ${address}, from ${library}, over ${devices.join(" ")}`;
    const found = { name: "ucx", available: true, version, detail };
    return { wire, found, transports: transports.map((name) => ({ name, device: "" })) };
  } catch (error) {
    await wire?.[Symbol.asyncDispose]();
    const why = wireFault(error);
    // Whoever asked for an address or a device wants to hear that it is not used.
    if (Object.values(ucx).some((value) => value !== undefined)) logger.warn("UCX is not used", { why });
    return none(why);
  }
}
