import type { ConnectError } from "@connectrpc/connect";
import type { UcxLease, UcxMemory, UcxTensor, UcxWireOptions } from "../../../../src/sidecar/ucx/mod.ts";
import { UcxWire } from "../../../../src/sidecar/ucx/mod.ts";
import type { DType } from "../../../../src/tensor/dtype.ts";
import { CapabilityIssuer } from "../../../../src/waybill/capability.ts";
import type { Right } from "../../../../src/waybill/rights.ts";
import { libraries } from "./library.ts";

/** A tensor that was published. */
export interface Published {
  readonly lease: UcxLease;
  readonly waybill: UcxTensor;
}

/** What to publish. */
export interface PublishOptions {
  offset?: number;
  dtype?: DType;
  shape?: readonly number[];
  lifeMs?: number;
  leaseMs?: number;
  rights?: readonly Right[];
  capabilityLifeMs?: number;
}

/** A wire with memory of its own, as a node has it. */
export class UcxNode implements AsyncDisposable {
  readonly wire: UcxWire;
  readonly memory: UcxMemory;
  readonly bytes: Uint8Array;
  readonly issuer: CapabilityIssuer;

  private constructor(wire: UcxWire, memory: UcxMemory, bytes: Uint8Array, issuer: CapabilityIssuer) {
    this.wire = wire;
    this.memory = memory;
    this.bytes = bytes;
    this.issuer = issuer;
  }

  static async open(byteLength: number, options: Partial<UcxWireOptions> = {}): Promise<UcxNode> {
    const key = crypto.getRandomValues(new Uint8Array(32));
    const wire = await UcxWire.open({ key, libraries, ...options });
    const bytes = new Uint8Array(byteLength);
    return new UcxNode(wire, await wire.addMemory(bytes), bytes, CapabilityIssuer.create({ key: options.key ?? key }));
  }

  /** Publishes bytes of its memory. */
  async publish(byteSize: number, options: PublishOptions = {}): Promise<Published> {
    const { offset = 0, dtype = "UINT8", shape = [byteSize], lifeMs = 60_000, rights = ["read"] } = options;
    const reference = crypto.getRandomValues(new Uint8Array(16));
    const nowMs = Date.now();
    const lease = this.wire.publish({
      reference,
      memory: this.memory,
      offset,
      byteSize,
      dtype,
      shape,
      expiresAtMs: nowMs + lifeMs,
      notAfterMs: nowMs + 3_600_000,
      leaseMs: options.leaseMs ?? 60_000,
    });
    const capability = await this.issuer.issue(reference, rights, nowMs + (options.capabilityLifeMs ?? 3_600_000));
    return { lease, waybill: { reference, capability, dtype, shape, byteSize } };
  }

  /** Fetches a tensor to an offset of its memory; the error, if any. */
  async fetch(
    waybill: UcxTensor,
    address: string,
    offset: number = 0,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<ConnectError | undefined> {
    const fetch = this.wire.fetch([{ waybill, address, destination: { memory: this.memory, offset } }], options);
    return (await fetch.outcomes)[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.wire.close();
  }
}

/** Fills bytes with what shows where each comes from. */
export function pattern(bytes: Uint8Array, seed: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 0x9e3779b1);
}

/** Whether two arrays hold the same, at the speed of the machine. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** The transports that tests run on. */
export const TRANSPORTS: Readonly<Record<string, readonly string[]>> = {
  posix: ["posix", "self", "tcp"],
  tcp: ["tcp", "self"],
};
