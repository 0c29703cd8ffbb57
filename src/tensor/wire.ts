/**
 * Protobuf's wire format, as far as the inference messages need it.
 *
 * @module
 */
const SLAB_BYTES = 64 * 1024;
/** Longer text is left to the platform; shorter text is faster by hand. */
const SHORT_TEXT = 48;
/** Bytes that a length is given room for before it is known. */
const LENGTH_ROOM = 3;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

// Small messages are cut from slabs: a buffer of its own costs more than all that is written into it.
let slab: Uint8Array<ArrayBuffer> | undefined;
let slabUsed = 0;

/** Writes one message. Its bytes are never written to again. */
export class WireWriter {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #start: number;
  #at: number;

  /** @param bound at least what will be written */
  constructor(bound: number) {
    if (bound > SLAB_BYTES / 4) {
      this.#bytes = new Uint8Array(bound);
      this.#start = 0;
    } else {
      if (slab === undefined || slabUsed + bound > SLAB_BYTES) {
        slab = new Uint8Array(SLAB_BYTES);
        slabUsed = 0;
      }
      this.#bytes = slab;
      this.#start = slabUsed;
    }
    this.#at = this.#start;
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** A text field, unless it is empty. */
  text(field: number, text: string): void {
    if (text.length > 0) this.textAlways(field, text);
  }

  /** A text field, also when it is empty. */
  textAlways(field: number, text: string): void {
    this.#at = this.#putVarint(this.#at, field << 3 | 2);
    const { length } = text;
    if (length <= SHORT_TEXT && this.#putAscii(this.#at + 1, text)) {
      this.#bytes[this.#at] = length;
      this.#at += 1 + length;
      return;
    }
    const start = this.#at + LENGTH_ROOM;
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(start));
    this.#settle(this.#at, written);
  }

  /** A field of bytes, also when there are none. */
  bytes(field: number, bytes: Uint8Array): void {
    this.#at = this.#putVarint(this.#at, field << 3 | 2);
    this.#at = this.#putVarint(this.#at, bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  bool(field: number, value: boolean): void {
    this.#at = this.#putVarint(this.#at, field << 3);
    this.#bytes[this.#at++] = value ? 1 : 0;
  }

  double(field: number, value: number): void {
    this.#at = this.#putVarint(this.#at, field << 3 | 1);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  /** An `int64` or `uint64` field. */
  int64Field(field: number, value: bigint): void {
    this.#at = this.#putVarint(this.#at, field << 3);
    this.int64(value);
  }

  /** An `int64` or `uint64` without its tag. */
  int64(value: bigint): void {
    if (value >= 0n && value < 0x80000000n) this.#at = this.#putVarint(this.#at, Number(value));
    else {
      let rest = BigInt.asUintN(64, value);
      for (; rest > 127n; rest >>= 7n) this.#bytes[this.#at++] = Number(rest & 127n) | 128;
      this.#bytes[this.#at++] = Number(rest);
    }
  }

  /** Begins a field with a length; {@linkcode close} it with what this gives. */
  open(field: number): number {
    this.#at = this.#putVarint(this.#at, field << 3 | 2);
    const mark = this.#at;
    this.#at += LENGTH_ROOM;
    return mark;
  }

  close(mark: number): void {
    this.#settle(mark, this.#at - mark - LENGTH_ROOM);
  }

  finish(): Uint8Array {
    if (this.#bytes === slab) slabUsed = this.#at;
    return this.#bytes.subarray(this.#start, this.#at);
  }

  /** Writes the length of what stands behind the room for it, and closes the gap. */
  #settle(mark: number, length: number): void {
    const from = mark + LENGTH_ROOM;
    const to = mark + (length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x200000 ? 3 : length < 0x10000000 ? 4 : 5);
    if (to !== from) this.#bytes.copyWithin(to, from, from + length);
    this.#putVarint(mark, length);
    this.#at = to + length;
  }

  #putVarint(at: number, value: number): number {
    for (; value > 127; value >>>= 7) this.#bytes[at++] = value & 127 | 128;
    this.#bytes[at++] = value;
    return at;
  }

  #putAscii(at: number, text: string): boolean {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) return false;
      this.#bytes[at + i] = code;
    }
    return true;
  }
}

/** Reads one message. Broken input sets {@linkcode failed}, or ends the loop early; nothing is read out of bounds. */
export class WireReader {
  /** The number of the field that {@linkcode next} came to. */
  field = 0;
  /** How its value is written: 0 varint, 1 eight bytes, 2 with a length. */
  wireType = 0;
  /** Whether the input was cut short or is no protobuf. */
  failed = false;
  readonly #bytes: Uint8Array;
  #at = 0;
  #end: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#end = bytes.length;
  }

  /** Whether there is more of the current message. */
  get more(): boolean {
    return this.#at < this.#end && !this.failed;
  }

  /** Reads a tag; `false` for a broken one. */
  next(): boolean {
    const tag = this.#varint();
    this.field = tag >>> 3;
    this.wireType = tag & 7;
    return !this.failed && this.field > 0;
  }

  /** Begins to read a value with a length as a message; {@linkcode leave} it with what this gives. */
  enter(): number {
    const outer = this.#end;
    this.#end = this.#valueEnd();
    return outer;
  }

  leave(outer: number): void {
    if (this.#at !== this.#end) this.failed = true;
    this.#end = outer;
  }

  /** A view of the input. */
  bytes(): Uint8Array {
    const end = this.#valueEnd();
    const start = this.#at;
    this.#at = end;
    return this.#bytes.subarray(start, end);
  }

  text(): string {
    const end = this.#valueEnd();
    const start = this.#at;
    this.#at = end;
    if (end - start <= SHORT_TEXT) {
      let text = "";
      for (let i = start; i < end; i++) {
        const code = this.#bytes[i]!;
        if (code > 127) return this.#decode(start, end);
        text += String.fromCharCode(code);
      }
      return text;
    }
    return this.#decode(start, end);
  }

  double(): number {
    if (this.#at + 8 > this.#end) return this.#fail();
    const value = new DataView(this.#bytes.buffer, this.#bytes.byteOffset).getFloat64(this.#at, true);
    this.#at += 8;
    return value;
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64());
  }

  uint64(): bigint {
    // One to four bytes are the sizes and shapes of nearly everything.
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= this.#end) return BigInt(this.#fail());
      const byte = this.#bytes[this.#at++]!;
      low |= (byte & 127) << shift;
      if (byte < 128) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      if (this.#at >= this.#end) return BigInt(this.#fail());
      const byte = this.#bytes[this.#at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    return BigInt(this.#fail());
  }

  /** Reads a length; the value's end. */
  #valueEnd(): number {
    const length = this.#varint();
    const end = this.#at + length;
    if (end > this.#end) {
      this.#fail();
      return this.#at;
    }
    return end;
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.#at >= this.#end) return this.#fail();
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value <= 0xffffffff ? value : this.#fail();
    }
    return this.#fail();
  }

  #decode(start: number, end: number): string {
    try {
      return decoder.decode(this.#bytes.subarray(start, end));
    } catch {
      this.failed = true;
      return "";
    }
  }

  #fail(): number {
    this.failed = true;
    return 0;
  }
}
