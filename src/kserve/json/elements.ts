import { type DType, DTYPE_BYTES, encodeBf16, encodeElements, encodeFp16, viewBytes } from "../../tensor/mod.ts";
import { invalid } from "../errors.ts";
import { ascii, type JsonSlice, numberOf, textOf } from "./scanner.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, MINUS = 0x2d, ZERO = 0x30, NINE = 0x39;
const BITS: Partial<Record<DType, number>> = { UINT8: 8, UINT16: 16, UINT32: 32, INT8: 8, INT16: 16, INT32: 32 };
const POWERS: readonly number[] = Array.from({ length: 23 }, (_, power) => 10 ** power);

/**
 * The elements of a tensor's `data`, however they are nested, as its bytes. Integers take integer tokens alone, and none out of their
 * range.
 *
 * @throws {ConnectError} `invalid_argument` for an element of another kind, in Triton's words
 */
export function elementsToBytes(dtype: DType, name: string, slice: JsonSlice): Uint8Array {
  if (dtype === "BYTES") return encodeElements(readTexts(slice));
  if (dtype === "FP16" || dtype === "BF16") {
    const numbers = new Float64Array(slice.count);
    readNumbers(slice, (value, i) => numbers[i] = value);
    const bits = dtype === "FP16" ? encodeFp16(numbers) : encodeBf16(numbers);
    return new Uint8Array(bits.buffer);
  }
  const bytes = new Uint8Array(slice.count * DTYPE_BYTES[dtype]);
  switch (dtype) {
    case "BOOL":
      tokens(slice, (from, to, i) => {
        const text = to - from <= 5 ? ascii(slice.bytes, from, to) : "";
        if (text !== "true" && text !== "false") throw notA("non-boolean as boolean");
        bytes[i] = text === "true" ? 1 : 0;
      });
      return bytes;
    case "FP32":
    case "FP64": {
      const view = viewBytes(dtype, bytes);
      readNumbers(slice, (value, i) => view[i] = value);
      return bytes;
    }
    case "INT64":
    case "UINT64": {
      const view = viewBytes(dtype, bytes);
      const fits = dtype === "INT64" ? BigInt.asIntN : BigInt.asUintN;
      readIntegers(slice, dtype, (value, i) => {
        const long = BigInt(value);
        if (fits(64, long) !== long) throw outOfRange(dtype, name, long);
        view[i] = long;
      });
      return bytes;
    }
    default: {
      const view = viewBytes(dtype, bytes);
      const bits = BITS[dtype]!;
      const signed = dtype.startsWith("I");
      const min = signed ? -(2 ** (bits - 1)) : 0;
      const max = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
      readIntegers(slice, dtype, (value, i) => {
        if (value < min || value > max) throw outOfRange(dtype, name, value);
        view[i] = Number(value);
      });
      return bytes;
    }
  }
}

function readTexts(slice: JsonSlice): string[] {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const texts: string[] = [];
  tokens(slice, (from, to) => {
    if (slice.bytes[from] !== QUOTE) {
      throw invalid("Unable to parse JSON bytes array: attempt to access JSON non-string as string");
    }
    texts.push(textOf(slice.bytes, from, to, decoder));
  });
  return texts;
}

function readIntegers(slice: JsonSlice, dtype: DType, take: (value: number | bigint, index: number) => void): void {
  const kind = dtype.startsWith("U") ? "unsigned-integer" : "signed-integer";
  tokens(slice, (from, to, i) => {
    for (let at = slice.bytes[from] === MINUS ? from + 1 : from; at < to; at++) {
      if (slice.bytes[at]! < ZERO || slice.bytes[at]! > NINE) throw notA(`non-${kind} as ${kind}`);
    }
    take(numberOf(slice.bytes, from, to, true), i);
  });
}

function readNumbers(slice: JsonSlice, take: (value: number, index: number) => void): void {
  tokens(slice, (from, to, i) => take(realOf(slice.bytes, from, to), i));
}

/** Most numbers are short: up to 15 digits scaled by an exact power of ten are exact without a parser. */
function realOf(bytes: Uint8Array, from: number, to: number): number {
  const negative = bytes[from] === MINUS;
  let digits = 0;
  let value = 0;
  let point = -1;
  for (let at = negative ? from + 1 : from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte >= ZERO && byte <= NINE) {
      if (++digits > 15) return slowReal(bytes, from, to);
      value = value * 10 + (byte - ZERO);
    } else if (byte === 0x2e) point = to - at - 1;
    else return slowReal(bytes, from, to);
  }
  if (digits === 0) return slowReal(bytes, from, to);
  if (point > 0) value /= POWERS[point]!;
  return negative ? -value : value;
}

function slowReal(bytes: Uint8Array, from: number, to: number): number {
  const text = ascii(bytes, from, Math.min(to, from + 400));
  if (text === "NaN") return NaN;
  if (text === "Infinity" || text === "Inf") return Infinity;
  if (text === "-Infinity" || text === "-Inf") return -Infinity;
  const first = text.charCodeAt(0);
  if (first !== MINUS && (first < ZERO || first > NINE)) throw notA("non-number as double");
  return Number(to - from > 400 ? ascii(bytes, from, to) : text);
}

/** The tokens of an array that the scanner has checked. */
function tokens({ bytes, start, end }: JsonSlice, take: (from: number, to: number, index: number) => void): void {
  let index = 0;
  for (let at = start; at < end;) {
    const byte = bytes[at]!;
    // Brackets, commas and spaces.
    if (byte === 0x5b || byte === 0x5d || byte === 0x2c || byte <= 0x20) {
      at++;
      continue;
    }
    const from = at;
    if (byte === QUOTE) {
      for (at++; bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
      at++;
    } else if (byte === 0x7b) throw notA("non-number as double");
    else while (bytes[at] !== 0x2c && bytes[at] !== 0x5d && bytes[at]! > 0x20) at++;
    take(from, at, index++);
  }
}

function notA(detail: string): Error {
  return invalid(`Unable to parse 'data': attempt to access JSON ${detail}`);
}

function outOfRange(dtype: DType, name: string, value: number | bigint): Error {
  return invalid(`Unable to parse 'data': ${value} is out of range of ${dtype} for input '${name}'`);
}
