/**
 * The waybill itself: what a tensor is, who owns it, how to reach it, and the right to ask.
 *
 * @module
 */
import { MemoryKind, type TensorDescriptor } from "../../gen/waybill/v1/tensor_pb.ts";
import { type DType, DTYPE_BYTES, DTYPES, isDType } from "../tensor/dtype.ts";
import { invalidArgument, show, showShape } from "../tensor/errors.ts";
import { printAs } from "../tensor/inspect.ts";
import { elementCount, shapeFromWire, shapeToWire } from "../tensor/shape.ts";
import { MAX_CAPABILITY_BYTES, REFERENCE_BYTES } from "./capability-format.ts";
import { checkName, checkWay, MAX_WAYS, type Way, wayFromWire, wayToWire } from "./way.ts";

/** Where a tensor's bytes live. */
export type Memory = "cpu" | "cpu-pinned" | "gpu";

/** What makes a {@linkcode Waybill}. */
export interface WaybillInit {
  /** The lease at the owner, 16 bytes. */
  reference: Uint8Array;
  /** The node that owns the bytes: 1 to 128 letters, digits, `.`, `_`, `-`. */
  node: string;
  /** What its elements are. */
  dtype: DType;
  /** Its dimensions. */
  shape: readonly number[];
  /** Its size in bytes; what dtype and shape say, except for BYTES. */
  byteSize: number;
  /** Where the bytes live. Default `"cpu"`. */
  memory?: Memory;
  /** The GPU's ordinal. Default 0, and always 0 elsewhere. */
  device?: number;
  /** When the lease ends, a hint in Unix milliseconds on the owner's clock. Default 0: unknown. */
  expiresAtMs?: number;
  /** Whether the lease ends once a request that has it as an input was acknowledged: a hint. Default `false`. */
  once?: boolean;
  /** Ways to reach the bytes, in the owner's order of preference; at most 16. Default none: by the node's name alone. */
  ways?: readonly Way[];
  /** What proves the right to use it: a bearer secret. */
  capability: Uint8Array;
}

/** What of a descriptor may be printed and logged. */
export interface RedactedWaybill {
  /** The node that owns the bytes. */
  readonly node: string;
  /** What its elements are. */
  readonly dtype: DType;
  /** Its dimensions. */
  readonly shape: readonly number[];
  /** Its size in bytes. */
  readonly byteSize: number;
}

const ACTION = "Cannot make a waybill";

const MEMORY_KINDS: Readonly<Record<Memory, MemoryKind>> = {
  "cpu": MemoryKind.CPU,
  "cpu-pinned": MemoryKind.CPU_PINNED,
  "gpu": MemoryKind.GPU,
};

/**
 * A tensor descriptor, immutable and checked. Whatever prints or logs it, `JSON.stringify` too, shows {@linkcode redact} only,
 * since its capability is a bearer secret; `waybillToString`, `waybillToJson` and `waybillToBytes` are how to share it.
 */
export class Waybill {
  readonly #init: Readonly<Required<WaybillInit>>;

  static {
    printAs(this.prototype, (waybill) => `Waybill ${waybill}`);
  }

  /**
   * Checks and copies what makes it.
   *
   * @throws {ConnectError} `invalid_argument` for whatever breaks a rule of {@linkcode WaybillInit}
   */
  constructor(init: WaybillInit) {
    const { node, dtype, shape, byteSize, memory = "cpu", device = 0, expiresAtMs = 0, once = false, ways = [] } = init;
    checkName(ACTION, "node", node);
    if (!isDType(dtype)) throw invalidArgument(`${ACTION}: dtype must be one of ${DTYPES.join(" ")}, got ${show(dtype)}`);
    const size = elementCount(shape, ACTION);
    const fits = dtype === "BYTES" ? byteSize >= 4 * size : byteSize === size * DTYPE_BYTES[dtype];
    if (!fits || !Number.isSafeInteger(byteSize)) {
      const wanted = dtype === "BYTES" ? `at least ${4 * size}` : size * DTYPE_BYTES[dtype];
      throw invalidArgument(`${ACTION}: ${dtype} of shape ${showShape(shape)} needs ${wanted} bytes, got ${byteSize}`);
    }
    if (!Object.hasOwn(MEMORY_KINDS, memory)) {
      throw invalidArgument(`${ACTION}: memory must be "cpu", "cpu-pinned" or "gpu", got ${show(memory)}`);
    }
    if (!Number.isInteger(device) || device < 0 || device > (memory === "gpu" ? 0xffffffff : 0)) {
      throw invalidArgument(
        `${ACTION}: device must be a GPU's ordinal and 0 elsewhere, got ${show(device)} for ${show(memory)}`,
      );
    }
    if (!Number.isSafeInteger(expiresAtMs) || expiresAtMs < 0) {
      throw invalidArgument(`${ACTION}: expiresAtMs must be an integer from 0, got ${show(expiresAtMs)}`);
    }
    if (ways.length > MAX_WAYS) throw invalidArgument(`${ACTION}: ways must be at most ${MAX_WAYS}, got ${ways.length}`);
    this.#init = {
      reference: copyBytes("reference", init.reference, REFERENCE_BYTES, REFERENCE_BYTES),
      node,
      dtype,
      shape: Object.freeze(shape.slice()),
      byteSize,
      memory,
      device,
      expiresAtMs,
      once,
      ways: Object.freeze(ways.map((way) => checkWay(ACTION, way))),
      capability: copyBytes("capability", init.capability, 1, MAX_CAPABILITY_BYTES),
    };
  }

  /** The lease at the owner, 16 bytes; a copy. */
  get reference(): Uint8Array {
    return this.#init.reference.slice();
  }

  /** The node that owns the bytes. */
  get node(): string {
    return this.#init.node;
  }

  /** What its elements are. */
  get dtype(): DType {
    return this.#init.dtype;
  }

  /** Its dimensions, frozen. */
  get shape(): readonly number[] {
    return this.#init.shape;
  }

  /** Its size in bytes. */
  get byteSize(): number {
    return this.#init.byteSize;
  }

  /** Where the bytes live. */
  get memory(): Memory {
    return this.#init.memory;
  }

  /** The GPU's ordinal; 0 elsewhere. */
  get device(): number {
    return this.#init.device;
  }

  /** When the lease ends, a hint in Unix milliseconds on the owner's clock; 0 when unknown. */
  get expiresAtMs(): number {
    return this.#init.expiresAtMs;
  }

  /** Whether the lease ends once a request that has it as an input was acknowledged: a hint. */
  get once(): boolean {
    return this.#init.once;
  }

  /** Ways to reach the bytes, in the owner's order of preference, frozen. */
  get ways(): readonly Way[] {
    return this.#init.ways;
  }

  /** What proves the right to use it: a bearer secret, never to be logged or shown; a copy. */
  get capability(): Uint8Array {
    return this.#init.capability.slice();
  }

  /**
   * The same descriptor with some fields changed: another capability to forward it, fewer ways, a later expiry.
   *
   * @throws {ConnectError} `invalid_argument` for whatever breaks a rule of {@linkcode WaybillInit}
   */
  with(changes: Partial<WaybillInit>): Waybill {
    return new Waybill({ ...this.#init, ...changes });
  }

  /** What may be printed and logged. */
  redact(): RedactedWaybill {
    const { node, dtype, shape, byteSize } = this.#init;
    return { node, dtype, shape, byteSize };
  }

  /** For logs, redacted; `waybillToJson` gives the whole. */
  toJSON(): RedactedWaybill {
    return this.redact();
  }

  /** For logs, redacted: `FP32 [1,3] (12 bytes) on "gpu-0"`; `waybillToString` gives the whole. */
  toString(): string {
    const { node, dtype, shape, byteSize } = this.#init;
    return `${dtype} ${showShape(shape)} (${byteSize} bytes) on ${show(node)}`;
  }
}

/** The message of a descriptor. It holds the secret. */
export function waybillToMessage(waybill: Waybill): TensorDescriptor {
  return {
    $typeName: "waybill.v1.TensorDescriptor",
    reference: waybill.reference,
    node: waybill.node,
    dtype: waybill.dtype,
    shape: shapeToWire(waybill.shape),
    byteSize: BigInt(waybill.byteSize),
    memory: memoryToWire(waybill.memory),
    device: waybill.device,
    expiresAtMs: BigInt(waybill.expiresAtMs),
    once: waybill.once,
    ways: waybill.ways.map(wayToWire),
    capability: waybill.capability,
  };
}

/**
 * A descriptor from its message, checked. Unspecified memory is the CPU's; kinds of ways that we do not know are left out.
 *
 * @throws {ConnectError} `invalid_argument` for whatever breaks a rule of {@linkcode WaybillInit}
 */
export function waybillFromMessage(message: TensorDescriptor): Waybill {
  if (message.ways.length > MAX_WAYS) {
    throw invalidArgument(`${ACTION}: ways must be at most ${MAX_WAYS}, got ${message.ways.length}`);
  }
  return new Waybill({
    reference: message.reference,
    node: message.node,
    // The constructor checks it.
    dtype: message.dtype as DType,
    shape: shapeFromWire(message.shape, ACTION),
    byteSize: Number(message.byteSize),
    memory: memoryFromWire(message.memory),
    device: message.device,
    expiresAtMs: Number(message.expiresAtMs),
    once: message.once,
    ways: message.ways.map((way) => wayFromWire(ACTION, way)).filter((way) => way !== undefined),
    capability: message.capability,
  });
}

/** A kind of memory on the wire. */
export function memoryToWire(memory: Memory): MemoryKind {
  return MEMORY_KINDS[memory];
}

/**
 * A kind of memory from the wire; unspecified is the CPU's.
 *
 * @throws {ConnectError} `invalid_argument` for one that is not known
 */
export function memoryFromWire(kind: TensorDescriptor["memory"]): Memory {
  switch (kind) {
    case MemoryKind.UNSPECIFIED:
    case MemoryKind.CPU:
      return "cpu";
    case MemoryKind.CPU_PINNED:
      return "cpu-pinned";
    case MemoryKind.GPU:
      return "gpu";
    default:
      throw invalidArgument(`${ACTION}: memory must be a known kind from 0 to 3, got ${kind}`);
  }
}

function copyBytes(what: string, bytes: Uint8Array, min: number, max: number): Uint8Array {
  const wanted = min === max ? String(min) : `${min} to ${max}`;
  if (!(bytes instanceof Uint8Array)) throw invalidArgument(`${ACTION}: ${what} must be a Uint8Array, got ${typeof bytes}`);
  // Not shown: it may be the secret.
  if (bytes.length < min || bytes.length > max) {
    throw invalidArgument(`${ACTION}: ${what} must have ${wanted} bytes, got ${bytes.length}`);
  }
  return new Uint8Array(bytes);
}
