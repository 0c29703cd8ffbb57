import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  PutStreamRequestSchema,
  ReleaseRequestSchema,
  ShareRequestSchema,
  TouchRequestSchema,
} from "../../../gen/waybill/v1/node_pb.ts";
import {
  AddSegmentSchema,
  type BlockLocation,
  type PinnedTensor,
  PinSchema,
  PullSchema,
  PutInSegmentSchema,
  type Segment,
  UnpinSchema,
} from "../../../gen/waybill/v1/session_pb.ts";
import { Lending, type LentBytes } from "../../data/lent.ts";
import { hostId } from "../../data/shm/host-id-node.ts";
import type { MapFile } from "../../data/shm/mapping.ts";
import { type SegmentFile, Segments } from "../../data/shm/segments.ts";
import type { PutOptions, ReleaseOptions, ShareOptions, TensorProof } from "../../data/store-types.ts";
import type { MemoryNode } from "../../data/way-shm.ts";
import type { WayKind } from "../../data/way-handler.ts";
import { shapeToWire } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/mod.ts";
import { rightsToBits } from "../../waybill/rights.ts";
import {
  type SharedMemoryWay,
  type Way,
  type Waybill,
  waybillFromMessage,
  waybillToMessage,
  wayFromWire,
} from "../../waybill/mod.ts";
import type { Attachment } from "./attach.ts";
import { BatchQueue, type OperationKind, type ResultKind } from "./batch-queue.ts";
import { failureOf } from "./operation-error.ts";
import { type OwnBlock, OwnSegments } from "./own-segments.ts";
import { SocketClient } from "./socket-client.ts";

/** How long memory that was given back waits for a message that it can go along with. */
const UNPIN_MS = 2;
/** How long the word of a new segment may take after the first tensor in it was pinned. */
const SEGMENT_MS = 1_000;
/** Bytes of a message where tensors are sent. */
const PIECE_BYTES = 262_144;
/** How long the sidecar may take for a batch. */
const BATCH_MS = 10_000;
/** How long it may take to fetch from another node, where the caller gives no limit. */
const PULL_MS = 60_000;

/**
 * A worker's session with the node's sidecar. It is **open** from the start until its stream ends or `end` is called, then **ended**:
 * whatever is asked of it fails with `unavailable`, its pins are gone, and what was read from its segments must not be read any more.
 */
export class Session implements MemoryNode {
  /** The node's name: the owner of what is put. */
  readonly node: string;
  /** Ways to reach the node, in its order of preference. */
  readonly ways: readonly Way[];
  /** Who answers the same shares memory with the node. */
  readonly host: string;
  /** The worker's own segments; `undefined` where the node has none or this process may not map any. */
  readonly own: OwnSegments | undefined;
  /** Why nothing can be mapped here; `undefined` where it can. */
  readonly unmappable: string | undefined;
  /** Settles once it has ended. */
  readonly ended: Promise<void>;
  readonly #attachment: Attachment;
  readonly #client: SocketClient;
  readonly #queue: BatchQueue;
  readonly #segments: Segments | undefined;
  readonly #lending = new Lending();
  #unpins: bigint[] = [];
  #unpinning: ReturnType<typeof setTimeout> | undefined;
  #open = true;

  /** @param mapFile where nothing can be mapped, the reason: tensors are then sent and got as bytes */
  constructor(attachment: Attachment, socket: string, mapFile: MapFile | string) {
    const { attached, token } = attachment;
    this.#attachment = attachment;
    this.node = attached.node;
    this.host = attached.host;
    this.ways = attached.ways.map((way) => wayFromWire("Cannot attach to the sidecar", way)).filter((way) => way !== undefined);
    this.#client = new SocketClient(socket, token);
    this.#queue = new BatchQueue({
      client: this.#client,
      session: attached.session,
      maxOperations: attached.maxOperations || 256,
      timeoutMs: BATCH_MS,
    });
    try {
      if (typeof mapFile === "string") throw new ConnectError(mapFile, Code.Unimplemented);
      if (attached.own === undefined) throw new ConnectError("the sidecar has no segments", Code.Unimplemented);
      // In another container the same path may be another file.
      const here = hostId(attached.own.path.startsWith("/proc/") ? "memfd" : "dev-shm");
      if (here !== attached.host) {
        const text = "the sidecar must share this host's /dev/shm or processes, and shares neither";
        throw new ConnectError(text, Code.FailedPrecondition);
      }
      const segments = new Segments(mapFile);
      for (const segment of [...attached.segments, attached.own]) segments.add(fileOf(segment));
      const own = new OwnSegments(mapFile, (byteLength) => this.#addSegment(byteLength));
      own.add(fileOf(attached.own));
      [this.#segments, this.own] = [segments, own];
    } catch (error) {
      this.unmappable = ConnectError.from(error).rawMessage;
    }
    this.ended = this.#follow();
  }

  /** Whether something can be asked of it. */
  get open(): boolean {
    return this.#open;
  }

  /** Bytes that are mapped to read. */
  get mappedBytes(): number {
    return this.#segments?.mappedBytes ?? 0;
  }

  /**
   * Makes a lease on a block that was filled.
   *
   * @throws {ConnectError} what the sidecar answers; `unavailable` once ended
   */
  async put(block: OwnBlock, tensor: Tensor, options: PutOptions = {}): Promise<Waybill> {
    const value = create(PutInSegmentSchema, {
      block: locationOf(block),
      dtype: tensor.dtype,
      shape: shapeToWire(tensor.shape),
      byteSize: BigInt(tensor.byteLength),
      leaseMs: options.leaseMs ?? 0,
      once: options.once ?? false,
      rights: options.rights === undefined ? 0 : rightsToBits(options.rights),
    });
    return describedBy(await this.#run({ case: "put", value }));
  }

  /**
   * Sends a tensor as bytes, where it cannot be put into a segment.
   *
   * @throws {ConnectError} what the sidecar answers; `unavailable` once ended
   */
  async send(tensor: Tensor, options: PutOptions = {}): Promise<Waybill> {
    const { dtype, byteLength, bytes } = tensor;
    const start = {
      dtype,
      shape: shapeToWire(tensor.shape),
      byteSize: BigInt(byteLength),
      leaseMs: options.leaseMs ?? 0,
      once: options.once ?? false,
    };
    async function* messages() {
      yield create(PutStreamRequestSchema, { part: { case: "start", value: start as never } });
      for (let at = 0; at < byteLength; at += PIECE_BYTES) {
        yield create(PutStreamRequestSchema, { part: { case: "data", value: bytes.subarray(at, at + PIECE_BYTES) } });
      }
    }
    const { descriptor } = await this.#attachment.client.putStream(messages(), {
      signal: options.signal,
      timeoutMs: PULL_MS,
      headers: this.#attachment.headers,
    });
    if (descriptor === undefined) throw wrongAnswer("a descriptor", "nothing");
    return waybillFromMessage(descriptor);
  }

  /**
   * As the methods of `TensorStore`, of tensors that the node owns.
   *
   * @throws {ConnectError} `permission_denied` as of a store; `unavailable` once ended
   */
  async share(proof: TensorProof, options: ShareOptions = {}): Promise<Waybill> {
    const value = create(ShareRequestSchema, {
      tensor: proofOf(proof),
      leaseMs: options.leaseMs ?? 0,
      once: options.once ?? false,
    });
    return describedBy(await this.#run({ case: "share", value }));
  }

  /** As `TensorStore.touch`. */
  async touch(proof: TensorProof, leaseMs?: number): Promise<number> {
    const value = create(TouchRequestSchema, { tensors: [proofOf(proof)], leaseMs: leaseMs ?? 0 });
    const result = await this.#run({ case: "touch", value });
    return result.case === "touched" ? Number(result.value.expiresAtMs) : 0;
  }

  /** As `TensorStore.release`. */
  async release(proof: TensorProof, { consumed = false }: ReleaseOptions = {}): Promise<void> {
    await this.#run({ case: "release", value: create(ReleaseRequestSchema, { tensors: [proofOf(proof)], consumed }) });
  }

  /**
   * The bytes of a tensor of this node, in the memory where they are.
   *
   * @param way where its descriptor says that it is
   * @throws {ConnectError} `permission_denied` as of a store; `data_loss` when it is somewhere else; `failed_precondition` where
   * nothing can be mapped; `unavailable` once ended
   */
  async read(proof: TensorProof, way: SharedMemoryWay): Promise<LentBytes> {
    const result = await this.#run({ case: "pin", value: create(PinSchema, { tensor: proofOf(proof) }) });
    if (result.case !== "pinned") throw wrongAnswer("a pin", result.case);
    const { pin, block } = result.value;
    if (block === undefined || (block.generation === way.generation && block.segment === way.segment)) {
      return await this.#lend(result.value);
    }
    this.#unpin(pin);
    const text = `Cannot read a tensor in segment "${way.segment}": its block must be of generation ${way.generation}, got ` +
      `${block.generation} in "${block.segment}"`;
    throw new ConnectError(text, Code.DataLoss);
  }

  /**
   * The bytes of another node's tensor: the sidecar fetches them into its memory, where they are read.
   *
   * @param via the kinds of ways that it may take
   * @throws {ConnectError} why the sidecar could not fetch them; `unavailable` once ended
   */
  async pull(waybill: Waybill, via: readonly WayKind[], signal?: AbortSignal): Promise<LentBytes> {
    const value = create(PullSchema, { tensors: [waybillToMessage(waybill)], via: [...via] });
    const kind: OperationKind = { case: "pull", value };
    const result = await this.#queue.runAlone(kind, { timeoutMs: PULL_MS, signal });
    const pulled = result.case === "pulled" ? result.value.tensors[0]?.result : undefined;
    if (pulled?.case === "pinned") return await this.#lend(pulled.value);
    if (pulled?.case === "data") return { bytes: pulled.value, intact: () => true, giveBack() {} };
    if (pulled?.case === "error") throw failureOf(pulled.value);
    throw wrongAnswer("a pull", result.case);
  }

  /** Ends it; what runs fails with `unavailable`. Safe to call twice. */
  end(): void {
    if (!this.#open) return;
    this.#open = false;
    const error = new ConnectError(`The session with the sidecar of node "${this.node}" has ended`, Code.Unavailable);
    clearTimeout(this.#unpinning);
    this.#queue.end(error);
    this.#client.close();
    this.#attachment.close();
    this.own?.end(error);
    this.#segments?.close();
  }

  async #lend({ pin, block, byteSize }: PinnedTensor): Promise<LentBytes> {
    const unpin = () => this.#unpin(pin);
    try {
      if (this.#segments === undefined || block === undefined) {
        const text = "Cannot read a tensor in shared memory: it must be in a segment that this process may map, got none";
        throw new ConnectError(text, Code.FailedPrecondition);
      }
      await this.#segments.known(block.segment, SEGMENT_MS);
      const length = Number(byteSize);
      const bytes = this.#segments.view(block.segment, Number(block.offset), length);
      // A session that has ended meanwhile took its pins along.
      if (!this.#open) throw new ConnectError("Cannot read a tensor in shared memory: the session has ended", Code.Unavailable);
      return this.#lending.lend(bytes, bytes.byteLength === bytes.buffer.byteLength && length > 0, () => this.#open, unpin);
    } catch (error) {
      unpin();
      throw error;
    }
  }

  /** Told with what is asked next, or soon: a message of their own would cost as much as the pins did. */
  #unpin(pin: bigint): void {
    this.#unpins.push(pin);
    if (this.#unpins.length === 1) this.#unpinning = setTimeout(() => this.#sendUnpins(), UNPIN_MS);
  }

  #sendUnpins(): void {
    clearTimeout(this.#unpinning);
    const pins = this.#unpins.splice(0);
    // Those that cannot be told end with the session.
    if (pins.length > 0) this.#queue.run({ case: "unpin", value: create(UnpinSchema, { pins }) }).catch(() => {});
  }

  async #addSegment(byteLength: number): Promise<SegmentFile> {
    const value = create(AddSegmentSchema, { byteSize: BigInt(byteLength) });
    const result = await this.#run({ case: "addSegment", value });
    if (result.case !== "segment") throw wrongAnswer("a segment", result.case);
    const file = fileOf(result.value);
    this.#segments?.add(file);
    return file;
  }

  #run(kind: OperationKind): Promise<ResultKind> {
    if (this.#unpins.length > 0) this.#sendUnpins();
    return this.#queue.run(kind);
  }

  async #follow(): Promise<void> {
    try {
      for await (const event of this.#attachment.events) {
        if (event.case === "segment") this.#segments?.add(fileOf(event.value));
        else if (event.case === "removedSegment") this.#segments?.remove(event.value);
        else if (event.case === "freed") {
          for (const block of event.value.blocks) this.own?.free(blockOf(block));
        }
      }
    } catch {
      // However it ended, it has ended.
    }
    this.end();
  }
}

function fileOf({ name, path, byteSize }: Segment): SegmentFile {
  return { name, path, byteLength: Number(byteSize) };
}

function locationOf({ segment, offset, generation }: OwnBlock) {
  return { segment, offset: BigInt(offset), generation };
}

function blockOf({ segment, offset, generation }: BlockLocation) {
  return { segment, offset: Number(offset), generation };
}

function proofOf({ reference, capability }: TensorProof) {
  return { reference, capability };
}

function describedBy(result: ResultKind): Waybill {
  if (result.case === "descriptor") return waybillFromMessage(result.value);
  throw wrongAnswer("a descriptor", result.case);
}

function wrongAnswer(wanted: string, seen: string): ConnectError {
  return new ConnectError(`Cannot ask the sidecar: it must answer with ${wanted}, got "${seen}"`, Code.DataLoss);
}
