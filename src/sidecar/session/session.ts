import { randomBytes } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { AttachResponseSchema } from "../../../gen/waybill/v1/session_pb.ts";
import { PinHolder, type TensorPin } from "../../data/held-tensor.ts";
import type { MemoryLocation } from "../../data/memory.ts";
import { fault } from "../../rpc/error.ts";
import { referenceKey } from "../../waybill/lease.ts";
import type { NodeSegment } from "../segments.ts";
import { FreedBlocks } from "./freed-blocks.ts";
import { Outbox } from "./outbox.ts";
import { WorkerSegment } from "./worker-segment.ts";

/** What happened that a worker is to know. */
export type SessionEvent =
  | { readonly kind: "freed"; readonly locations: readonly MemoryLocation[] }
  | { readonly kind: "expired"; readonly reference: Uint8Array }
  | { readonly kind: "segment" | "removed"; readonly segment: NodeSegment };

/** What goes out in one message. */
type Told = MessageInitShape<typeof AttachResponseSchema>;

/** A worker that is attached, from its `Attach` until that stream ends: what it pinned ends with it, what it leased does not. */
export class Session {
  /** What its batches name: a secret. */
  readonly id: Uint8Array = randomBytes(16);
  /** The same as text. */
  readonly key: string = referenceKey(this.id);
  /** The worker's name. */
  readonly name: string;
  readonly #maxPins: number;
  readonly #emptied: (segment: NodeSegment) => void;
  readonly #outbox = new Outbox<SessionEvent>();
  readonly #freed = new FreedBlocks((locations) => this.#outbox.push({ kind: "freed", locations }));
  readonly #segments = new Map<string, WorkerSegment>();
  readonly #holder = new PinHolder();
  readonly #pins = new Map<bigint, () => void>();
  #lastPin = 0n;

  /** @param emptied told of its segments when nothing is in them any more, after its end */
  constructor(name: string, options: { maxPins: number; emptied: (segment: NodeSegment) => void }) {
    this.name = name;
    this.#maxPins = options.maxPins;
    this.#emptied = options.emptied;
  }

  /** Pins that it holds. */
  get pins(): number {
    return this.#pins.size;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#outbox.closed;
  }

  /** Gives it a segment to write to. */
  own(segment: NodeSegment): void {
    this.#segments.set(
      segment.name,
      new WorkerSegment(segment, {
        freed: (location, byteLength) => this.#freed.add(location, byteLength),
        expired: (reference) => this.#outbox.push({ kind: "expired", reference }),
        emptied: () => this.#emptied(segment),
      }),
    );
  }

  /** One of its own segments by name. */
  segment(name: string): WorkerSegment | undefined {
    return this.#segments.get(name);
  }

  /** Tells it of a segment to map. */
  tell(segment: NodeSegment): void {
    this.#outbox.push({ kind: "segment", segment });
  }

  /** Tells it of a segment that is no more. */
  untell(segment: NodeSegment): void {
    this.#outbox.push({ kind: "removed", segment });
  }

  /**
   * Keeps a pin for it.
   *
   * @returns the pin's number
   * @throws {ConnectError} `resource_exhausted` past the bound, `unavailable` once it has ended; the pin is released then
   */
  pin(pin: TensorPin): bigint {
    if (this.ended || this.#pins.size >= this.#maxPins) {
      pin.release();
      if (this.ended) throw fault("Cannot pin a tensor: the session has ended", Code.Unavailable, { reason: "NOT_ATTACHED" });
      const text = `Cannot pin a tensor: a worker may hold at most ${this.#maxPins} pins, and all are in use`;
      throw fault(text, Code.ResourceExhausted, { reason: "TOO_MANY_PINS" });
    }
    this.#pins.set(++this.#lastPin, this.#holder.add(pin));
    return this.#lastPin;
  }

  /** Ends a pin; one that is gone already is no error. */
  unpin(pin: bigint): void {
    this.#pins.get(pin)?.();
    this.#pins.delete(pin);
  }

  /** What is to be told next: what happened within a turn goes together, and nothing at all after `waitMs`. */
  async *events(waitMs: number): AsyncGenerator<Told> {
    while (!this.ended) {
      const { values } = await this.#outbox.take(waitMs);
      yield* messagesOf(values);
    }
  }

  /** Its worker is gone. */
  end(): void {
    if (this.ended) return;
    this.#outbox.close();
    this.#freed[Symbol.dispose]();
    this.#holder[Symbol.dispose]();
    this.#pins.clear();
    for (const segment of this.#segments.values()) segment.leave();
  }
}

function* messagesOf(events: readonly SessionEvent[]): Generator<Told> {
  if (events.length === 0) yield { event: { case: "heartbeat", value: {} } };
  // Segments first: what is pinned lies in them.
  for (const event of events) if (event.kind === "segment") yield { event: { case: "segment", value: toWire(event.segment) } };
  const blocks = events.flatMap((event) => event.kind === "freed" ? event.locations.map(locationToWire) : []);
  if (blocks.length > 0) yield { event: { case: "freed", value: { blocks } } };
  for (const event of events) {
    if (event.kind === "removed") yield { event: { case: "removedSegment", value: event.segment.name } };
  }
  const references = events.flatMap((event) => event.kind === "expired" ? [event.reference] : []);
  if (references.length > 0) yield { event: { case: "expired", value: { references } } };
}

/** A segment as workers are told of it. */
export function toWire({ name, path, bytes }: NodeSegment): { name: string; path: string; byteSize: bigint } {
  return { name, path, byteSize: BigInt(bytes.length) };
}

/** A place in a segment as workers are told of it. */
export function locationToWire({ segment, offset, generation }: MemoryLocation): {
  segment: string;
  offset: bigint;
  generation: bigint;
} {
  return { segment, offset: BigInt(offset), generation };
}
