import type { Bus } from "../bus/bus.ts";
import { encodePack, FRAME_HEADER, META_HEADER, PACK_CALL, type PackedFrame } from "./frame.ts";
import type { Subjects } from "./subjects.ts";

/** A pack is full with so many frames or so many payload bytes: far below any broker's limit for a message. */
const MAX_FRAMES = 64;
const MAX_BYTES = 32_768;
/** What is larger goes alone: copying it into a pack would cost more than its message. */
const MAX_PACKED_BYTES = 4_096;

/** What is to be told the broker once an answer is out. */
export interface Acknowledgement {
  acknowledge(): void;
}

/**
 * Puts the frames that go to one caller in one turn of the loop into one message. Under load a broker moves half the messages,
 * and both ends read and write half of them; alone, a frame goes as it is. The order of a caller's frames stays.
 */
export class AnswerPacker {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #onLost: (error: unknown) => void;
  readonly #packs = new Map<string, Pack>();
  readonly #acknowledgements: Acknowledgement[] = [];
  readonly #flush = () => this.flush();
  #scheduled = false;

  /** @param onLost told when what was to be sent by the end of a turn cannot be sent any more: the connection has ended */
  constructor(bus: Bus, subjects: Subjects, onLost: (error: unknown) => void) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#onLost = onLost;
  }

  /** Sends a frame by the end of this turn. Throws what publishing throws where it does not fit a pack. */
  publish(caller: string, call: string, header: string, payload: Uint8Array, metadata: string): void {
    let pack = this.#packs.get(caller);
    if (metadata !== "" || payload.length > MAX_PACKED_BYTES) {
      if (pack !== undefined) this.#send(caller, pack);
      const headers: Record<string, string> = metadata === ""
        ? { [FRAME_HEADER]: header }
        : { [FRAME_HEADER]: header, [META_HEADER]: metadata };
      return this.#bus.publish(this.#subjects.answer(caller, call), payload, { headers });
    }
    if (pack === undefined) this.#packs.set(caller, pack = { frames: [], bytes: 0 });
    pack.frames.push({ call, header, payload });
    pack.bytes += payload.length;
    if (pack.frames.length >= MAX_FRAMES || pack.bytes >= MAX_BYTES) this.#send(caller, pack);
    else this.#schedule();
  }

  /** Acknowledges once all that was published before is on its way: a crash in between may repeat work, and loses none. */
  acknowledge(delivery: Acknowledgement): void {
    if (this.#packs.size === 0) return delivery.acknowledge();
    this.#acknowledgements.push(delivery);
    this.#schedule();
  }

  /** Sends what waits for the end of this turn. */
  flush(): void {
    this.#scheduled = false;
    for (const [caller, pack] of this.#packs) this.#send(caller, pack);
    if (this.#acknowledgements.length === 0) return;
    for (const delivery of this.#acknowledgements.splice(0)) {
      try {
        delivery.acknowledge();
      } catch (error) {
        this.#onLost(error);
      }
    }
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#flush);
  }

  #send(caller: string, { frames, bytes }: Pack): void {
    this.#packs.delete(caller);
    const [first] = frames;
    try {
      if (frames.length === 1 && first !== undefined) {
        this.#bus.publish(this.#subjects.answer(caller, first.call), first.payload, {
          headers: { [FRAME_HEADER]: first.header },
        });
        return;
      }
      const payload = new Uint8Array(bytes);
      let at = 0;
      for (const frame of frames) {
        payload.set(frame.payload, at);
        at += frame.payload.length;
      }
      this.#bus.publish(this.#subjects.answer(caller, PACK_CALL), payload, { headers: { [FRAME_HEADER]: encodePack(frames) } });
    } catch (error) {
      this.#onLost(error);
    }
  }
}

interface Pack {
  readonly frames: PackedFrame[];
  bytes: number;
}
