/**
 * Half precision in two formats, FP16 (5 exponent bits, 10 of fraction) and BF16 (8 and 7), to and from numbers. Conversion
 * rounds once, from the double to the nearest value, ties to even, so that it agrees with `Float16Array` and with hardware.
 *
 * @module
 */

interface Format {
  readonly fractionBits: number;
  readonly bias: number;
  /** Numbers from here on round to infinity. */
  readonly overflow: number;
}

const FP16: Format = { fractionBits: 10, bias: 15, overflow: 65520 };
const BF16: Format = { fractionBits: 7, bias: 127, overflow: (2 - 2 ** -8) * 2 ** 127 };

interface Float16ArrayConstructor {
  new (length: number): Float16View;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): Float16View;
}

/** A `Float16Array`, for type libraries that do not know it yet. */
export interface Float16View extends ArrayBufferView {
  /** Always `"Float16Array"`. */
  readonly [Symbol.toStringTag]: "Float16Array";
  /** Elements. */
  readonly length: number;
  /** An element, as a number. */
  [index: number]: number;
  /** Copies numbers in, rounded to the nearest half. */
  set(values: ArrayLike<number>, offset?: number): void;
}

function nativeFloat16Array(): Float16ArrayConstructor | undefined {
  // Node 22 has none.
  return (globalThis as { Float16Array?: Float16ArrayConstructor }).Float16Array;
}

// Adding and taking away 2^52 rounds a small positive double to an integer, ties to even, as the processor does it.
function roundTiesToEven(value: number): number {
  return value + 2 ** 52 - 2 ** 52;
}

function encode(value: number, { fractionBits, bias, overflow }: Format): number {
  const infinity = (2 * bias + 1) << fractionBits;
  if (Number.isNaN(value)) return infinity | (1 << (fractionBits - 1));
  const sign = value < 0 || Object.is(value, -0) ? 1 << 15 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= overflow) return sign | infinity;
  const smallestNormal = 2 ** (1 - bias);
  if (magnitude < smallestNormal) return sign | roundTiesToEven(magnitude * 2 ** (bias - 1 + fractionBits));
  let exponent = Math.floor(Math.log2(magnitude));
  // The logarithm is rounded: beside a power of two it may name the wrong side.
  if (2 ** exponent > magnitude) exponent--;
  else if (2 ** (exponent + 1) <= magnitude) exponent++;
  // Rounding up to the next power carries into the exponent, which is what it should do.
  const significand = roundTiesToEven(magnitude * 2 ** (fractionBits - exponent));
  return sign | (((exponent + bias - 1) << fractionBits) + significand);
}

function decode(bits: number, { fractionBits, bias }: Format): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits & 0x7fff) >> fractionBits;
  const fraction = bits & ((1 << fractionBits) - 1);
  if (exponent === 2 * bias + 1) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - fractionBits);
  return sign * (fraction + (1 << fractionBits)) * 2 ** (exponent - bias - fractionBits);
}

/** The bits of the FP16 nearest to a number. Any NaN gives 0x7e00; magnitudes from 65,520 on give infinity. */
export function numberToFp16(value: number): number {
  return encode(value, FP16);
}

/** The number that FP16 bits (0 to 0xffff) stand for, exactly. */
export function fp16ToNumber(bits: number): number {
  return decode(bits, FP16);
}

/** The bits of the BF16 nearest to a number. Any NaN gives 0x7fc0. */
export function numberToBf16(value: number): number {
  return encode(value, BF16);
}

/** The number that BF16 bits (0 to 0xffff) stand for, exactly. */
export function bf16ToNumber(bits: number): number {
  return decode(bits, BF16);
}

/** A `Float16Array` over the same memory as the bits; `undefined` where the runtime has none. */
export function float16View(bits: Uint16Array): Float16View | undefined {
  const Native = nativeFloat16Array();
  return Native && new Native(bits.buffer, bits.byteOffset, bits.length);
}

/** FP16 bits for each number, in an array of their own. */
export function encodeFp16(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(values.length);
  const native = float16View(bits);
  if (native) native.set(values);
  else for (let i = 0; i < bits.length; i++) bits[i] = numberToFp16(values[i]!);
  return bits;
}

/** The numbers behind FP16 bits, exactly, in an array of their own. */
export function decodeFp16(bits: Uint16Array): Float32Array {
  const native = float16View(bits);
  if (native) return new Float32Array(native);
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = fp16ToNumber(bits[i]!);
  return values;
}

/** BF16 bits for each number, in an array of their own. */
export function encodeBf16(values: ArrayLike<number>): Uint16Array {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = numberToBf16(values[i]!);
  return bits;
}

/** The numbers behind BF16 bits, exactly, in an array of their own. */
export function decodeBf16(bits: Uint16Array): Float32Array {
  // A BF16 is the upper half of a single.
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return new Float32Array(words.buffer);
}
