import { invalid } from "../errors.ts";

/** A number, text and so on as JSON has it; integers past 2^53 - 1 as bigints. */
export type Json = null | boolean | number | bigint | string | JsonSlice | readonly Json[] | JsonObject;

/** An object without a prototype: every key is its own. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** An array that was checked and counted, and not read yet: what its elements are is known only later. */
export class JsonSlice {
  /** What the array is a part of. */
  readonly bytes: Uint8Array;
  /** Where it begins, at its bracket. */
  readonly start: number;
  /** Where it ends, behind its bracket. */
  readonly end: number;
  /** Elements that are no arrays, at any depth. */
  readonly count: number;

  /** @internal */
  constructor(bytes: Uint8Array, start: number, end: number, count: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.count = count;
  }
}

/** How JSON is read. */
export interface ScanOptions {
  /** Arrays under this key are left as {@linkcode JsonSlice}. Default: none. */
  sliced?: string;
  /** How deep arrays and objects may be nested. Default 100. */
  maxDepth?: number;
}

const QUOTE = 0x22, COMMA = 0x2c, COLON = 0x3a, OPEN = 0x5b, CLOSE = 0x5d, BEGIN = 0x7b, END = 0x7d, BACKSLASH = 0x5c;
const MINUS = 0x2d, DOT = 0x2e, ZERO = 0x30, NINE = 0x39;
const WORDS: readonly (readonly [string, Json])[] = [
  ["true", true],
  ["false", false],
  ["null", null],
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["Inf", Infinity],
  ["-Infinity", -Infinity],
  ["-Inf", -Infinity],
];
const ESCAPES = new Map([...'"\\/bfnrt'].map((char) => [char.charCodeAt(0), JSON.parse(`"\\${char}"`) as string]));

/**
 * Reads JSON as Triton does: `NaN` and infinities are numbers, 64-bit integers are exact, of two equal keys the first wins, and a
 * byte order mark may stand in front. Nothing is allocated for what is only counted.
 *
 * @throws {ConnectError} `invalid_argument` in the words of Triton's parser, with the offset
 */
export function scanJson(bytes: Uint8Array, options: ScanOptions = {}): Json {
  return new Scanner(bytes, options).document();
}

class Scanner {
  readonly #bytes: Uint8Array;
  readonly #sliced: string | undefined;
  readonly #maxDepth: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #at = 0;
  #depth = 0;

  constructor(bytes: Uint8Array, { sliced, maxDepth = 100 }: ScanOptions) {
    this.#bytes = bytes;
    this.#sliced = sliced;
    this.#maxDepth = maxDepth;
  }

  document(): Json {
    if (this.#bytes[0] === 0xef && this.#bytes[1] === 0xbb && this.#bytes[2] === 0xbf) this.#at = 3;
    if (this.#peek() === undefined) this.#fail("The document is empty.");
    const value = this.#value();
    if (this.#peek() !== undefined) this.#fail("The document root must not be followed by other values.");
    return value;
  }

  #value(): Json {
    const byte = this.#peek();
    switch (byte) {
      case BEGIN:
        return this.#nested(() => this.#object());
      case OPEN:
        return this.#nested(() => this.#array());
      case QUOTE:
        return this.#text();
      default:
        return this.#scalar(byte);
    }
  }

  #scalar(byte: number | undefined): Json {
    if (byte !== undefined && byte >= ZERO && byte <= NINE) return this.#number();
    if (byte === MINUS && this.#isDigit(this.#bytes[this.#at + 1])) return this.#number();
    for (const [word, value] of WORDS) {
      if (this.#is(word)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#fail("Invalid value.");
  }

  #object(): JsonObject {
    const object = Object.create(null) as Record<string, Json>;
    this.#at++;
    if (this.#peek() === END) {
      this.#at++;
      return object;
    }
    for (;;) {
      if (this.#peek() !== QUOTE) this.#fail("Missing a name for object member.");
      const key = this.#text();
      if (this.#peek() !== COLON) this.#fail("Missing a colon after a name of object member.");
      this.#at++;
      const value = key === this.#sliced && this.#peek() === OPEN ? this.#slice() : this.#value();
      if (!(key in object)) object[key] = value;
      const next = this.#peek();
      if (next !== COMMA && next !== END) this.#fail("Missing a comma or } after an object member.");
      this.#at++;
      if (next === END) return object;
    }
  }

  #array(): Json[] {
    const array: Json[] = [];
    this.#elements(() => void array.push(this.#value()));
    return array;
  }

  #elements(element: () => void): void {
    this.#at++;
    if (this.#peek() === CLOSE) {
      this.#at++;
      return;
    }
    for (;;) {
      element();
      const next = this.#peek();
      if (next !== COMMA && next !== CLOSE) this.#fail("Missing a comma or ] after an array element.");
      this.#at++;
      if (next === CLOSE) return;
    }
  }

  #slice(): JsonSlice {
    const start = this.#at;
    let count = 0;
    const skim = (): void => {
      const byte = this.#peek();
      if (byte === OPEN) return this.#nested(() => this.#elements(skim));
      count++;
      if (byte === QUOTE) this.#skipText();
      else if (byte === BEGIN) this.#value();
      else if (this.#isDigit(byte) || byte === MINUS && this.#isDigit(this.#bytes[this.#at + 1])) this.#skipNumber();
      else this.#scalar(byte);
    };
    this.#nested(() => this.#elements(skim));
    return new JsonSlice(this.#bytes, start, this.#at, count);
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > this.#maxDepth) {
      throw invalid(`JSON nesting depth exceeds maximum allowed limit (${this.#maxDepth})`);
    }
    const value = read();
    this.#depth--;
    return value;
  }

  #number(): number | bigint {
    const start = this.#at;
    const integer = this.#skipNumber();
    return numberOf(this.#bytes, start, this.#at, integer);
  }

  /** Whether it is an integer. */
  #skipNumber(): boolean {
    const start = this.#at;
    if (this.#bytes[this.#at] === MINUS) this.#at++;
    if (this.#bytes[this.#at] === ZERO) this.#at++;
    else this.#digits();
    let integer = true;
    if (this.#bytes[this.#at] === DOT) {
      this.#at++;
      integer = false;
      if (!this.#isDigit(this.#bytes[this.#at])) this.#fail("Miss fraction part in number.");
      this.#digits();
    }
    if ((this.#bytes[this.#at]! | 0x20) === 0x65) {
      this.#at++;
      integer = false;
      const sign = this.#bytes[this.#at];
      if (sign === MINUS || sign === 0x2b) this.#at++;
      if (!this.#isDigit(this.#bytes[this.#at])) this.#fail("Miss exponent in number.");
      this.#digits();
    }
    // Only these can be too big: a million digits, or an exponent.
    if ((this.#at - start > 300 || !integer) && !Number.isFinite(Number(ascii(this.#bytes, start, this.#at)))) {
      this.#at = start;
      this.#fail("Number too big to be stored in double.");
    }
    return integer;
  }

  #digits(): void {
    while (this.#isDigit(this.#bytes[this.#at])) this.#at++;
  }

  #skipText(): void {
    const start = this.#at;
    for (this.#at++;; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte === QUOTE) break;
      if (byte === undefined) {
        this.#at = start;
        this.#fail("Missing a closing quotation mark in string.");
      }
      if (byte < 0x20) this.#fail("Invalid encoding in string.");
      if (byte === BACKSLASH) this.#at++;
    }
    this.#at++;
  }

  #text(): string {
    const start = this.#at;
    this.#skipText();
    return textOf(this.#bytes, start, this.#at, this.#decoder);
  }

  #is(word: string): boolean {
    for (let i = 0; i < word.length; i++) {
      if (this.#bytes[this.#at + i] !== word.charCodeAt(i)) return false;
    }
    return true;
  }

  #isDigit(byte: number | undefined): boolean {
    return byte !== undefined && byte >= ZERO && byte <= NINE;
  }

  /** The next byte that is no space. */
  #peek(): number | undefined {
    for (;; this.#at++) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
    }
  }

  #fail(reason: string): never {
    throw parseError(reason, this.#at);
  }
}

function parseError(reason: string, at: number): Error {
  return invalid(`failed to parse the request JSON buffer: ${reason} at ${at}`);
}

/** A checked number: integers exact. */
export function numberOf(bytes: Uint8Array, start: number, end: number, integer: boolean): number | bigint {
  const text = ascii(bytes, start, end);
  const number = Number(text);
  return !integer || Number.isSafeInteger(number) ? number : BigInt(text);
}

/** Checked text between its quotation marks. */
export function textOf(bytes: Uint8Array, start: number, end: number, decoder: TextDecoder): string {
  const inside = bytes.subarray(start + 1, end - 1);
  let raw: string;
  try {
    raw = decoder.decode(inside as Uint8Array<ArrayBuffer>);
  } catch {
    throw parseError("Invalid encoding in string.", start);
  }
  return raw.includes("\\") ? unescape(raw, start) : raw;
}

function unescape(raw: string, start: number): string {
  let text = "";
  for (let from = 0;;) {
    const to = raw.indexOf("\\", from);
    if (to < 0) {
      text += raw.slice(from);
      break;
    }
    text += raw.slice(from, to);
    const code = raw.charCodeAt(to + 1);
    const simple = ESCAPES.get(code);
    if (simple !== undefined) {
      text += simple;
      from = to + 2;
      continue;
    }
    if (raw[to + 1] !== "u") throw parseError("Invalid escape character in string.", start);
    const hex = raw.slice(to + 2, to + 6);
    if (!/^[0-9a-f]{4}$/i.test(hex)) throw parseError("Incorrect hex digit after \\u escape in string.", start);
    text += String.fromCharCode(Number.parseInt(hex, 16));
    from = to + 6;
  }
  if (!text.isWellFormed()) throw parseError("The surrogate pair in string is invalid.", start);
  return text;
}

/** Short ASCII as text; `TextDecoder` costs more than the number behind it. */
export function ascii(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}
