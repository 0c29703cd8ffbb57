import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Logger } from "../../bus/logger.ts";
import type { MemoryBlock } from "../../data/memory.ts";
import type { TensorStore } from "../../data/store.ts";
import type { NativeAddon } from "../../native/mod.ts";
import type { Waybill } from "../../waybill/descriptor.ts";
import type { UcxWay } from "../../waybill/way.ts";
import type { GpuMemory } from "../gpu-memory.ts";
import type { SidecarUcxOptions } from "../options.ts";
import type { NodeSegments } from "../segments.ts";
import { parseUcxAddress } from "./address.ts";
import type { UcxDescription } from "./description.ts";
import { DeviceMemories, type UcxPlace } from "./device-memories.ts";
import { LeaseMirror } from "./lease-mirror.ts";
import { SegmentMemories } from "./segment-memories.ts";
import { UcxWire } from "./wire.ts";

/** What a node's wire needs of the node. */
export interface NodeWireOptions {
  readonly addon: NativeAddon;
  readonly segments: NodeSegments;
  /** Memory of GPUs that tensors are in. */
  readonly gpus?: GpuMemory;
  readonly store: TensorStore;
  /** What the store's capabilities are signed with. */
  readonly key: Uint8Array;
  /** What to listen on, where `ucx` does not say. */
  readonly host: string;
  readonly ucx: SidecarUcxOptions;
  readonly logger: Logger;
}

/** A fetch into the node's memory. */
export interface DirectFetch {
  /** Settles when the bytes are there; rejects when they will not come. */
  readonly done: Promise<void>;
  /** Settles when nothing writes to the memory any more. */
  readonly idle: Promise<void>;
}

/** A node's end of UCX: what the store leases is published there, and tensors of other nodes come straight into the node's memory. */
export class NodeWire implements AsyncDisposable {
  readonly #wire: UcxWire;
  readonly #memories: SegmentMemories;
  readonly #devices: DeviceMemories;
  readonly #mirror: LeaseMirror;

  private constructor(wire: UcxWire, memories: SegmentMemories, devices: DeviceMemories, mirror: LeaseMirror) {
    this.#wire = wire;
    this.#memories = memories;
    this.#devices = devices;
    this.#mirror = mirror;
  }

  /**
   * Opens it.
   *
   * @throws {ConnectError} `unavailable` where UCX is not there, or cannot do what is asked
   */
  static async open({ addon, segments, gpus, store, key, host, ucx, logger }: NodeWireOptions): Promise<NodeWire> {
    const bind = ucx.bind ?? host;
    const wire = await UcxWire.open({
      addon,
      key,
      host: isIP(bind) === 0 ? (await lookup(bind)).address : bind,
      port: ucx.port,
      ...advertised(ucx.advertise),
      devices: ucx.netDevices?.split(","),
      transports: ucx.tls?.split(","),
      onUsed: (lease, _reads, bytes) => store.used(lease.reference, "ucx", bytes),
    });
    const memories = new SegmentMemories(wire, segments, logger);
    for (const { name } of segments.all) await memories.ready(name);
    const devices = new DeviceMemories();
    if (gpus !== undefined) await devices.addAll(wire, gpus, logger);
    return new NodeWire(wire, memories, devices, new LeaseMirror(wire, memories, devices, store));
  }

  /** The way that descriptors name. */
  get way(): UcxWay {
    return { kind: "ucx", address: this.#wire.address, version: this.#wire.version };
  }

  /** What it is. */
  describe(): Promise<UcxDescription> {
    return this.#wire.describe();
  }

  /** Fetches a whole tensor into a block; `undefined` where UCX does not lead from its owner to that block. */
  async fetchInto(
    waybill: Waybill,
    block: MemoryBlock,
    options: { signal: AbortSignal; timeoutMs: number },
  ): Promise<DirectFetch | undefined> {
    const way = waybill.ways.find(({ kind }) => kind === "ucx") as UcxWay | undefined;
    if (way === undefined || this.#wire.refusal(way.version) !== undefined) return undefined;
    const destination = this.#devices.placeOf(block) ?? await this.#placeInSegment(block);
    if (destination === undefined) return undefined;
    const { outcomes, idle } = this.#wire.fetch([{ waybill, address: way.address, destination }], options);
    const done = outcomes.then(([error]) => {
      if (error !== undefined) throw error;
    });
    return { done, idle };
  }

  async #placeInSegment({ location }: MemoryBlock): Promise<UcxPlace | undefined> {
    if (location === undefined) return undefined;
    const memory = this.#memories.of(location.segment) ?? await this.#memories.ready(location.segment);
    return memory && { memory, offset: location.offset };
  }

  /** Ends it: fetches fail, and nothing is sent any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#mirror[Symbol.dispose]();
    this.#memories[Symbol.dispose]();
    await this.#wire.close();
  }
}

function advertised(text: string | undefined): { advertiseHost?: string; advertisePort?: number } {
  if (text === undefined) return {};
  if (isIP(text) !== 0 || !text.includes(":")) return { advertiseHost: text };
  const { host, port } = parseUcxAddress(text);
  return { advertiseHost: host, advertisePort: port };
}

/** Why there is no wire, for people. */
export function wireFault(error: unknown): string {
  const fault = ConnectError.from(error, Code.Internal);
  return fault.rawMessage;
}
