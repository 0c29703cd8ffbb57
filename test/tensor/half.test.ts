import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  bf16ToNumber,
  decodeBf16,
  decodeFp16,
  encodeBf16,
  encodeFp16,
  float16View,
  fp16ToNumber,
  numberToBf16,
  numberToFp16,
} from "../../src/tensor/half.ts";

const ALL_BITS = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
const FP16_NAN = 0x7e00;

/** The nearest of all finite candidates by exact comparison; ties go to the even bits. */
function nearest(value: number, decode: (bits: number) => number, infinity: number): number {
  let best = 0;
  for (let bits = 0; bits < infinity; bits++) {
    const gain = Math.abs(value - decode(best)) - Math.abs(value - decode(bits));
    if (gain > 0 || (gain === 0 && bits % 2 === 0)) best = bits;
  }
  return best;
}

describe("FP16", () => {
  test("gives back the bits of each of its values", () => {
    for (const bits of ALL_BITS) {
      const value = fp16ToNumber(bits);
      if (Number.isNaN(value)) expect(numberToFp16(value)).toBe(FP16_NAN);
      else if (numberToFp16(value) !== bits) expect(`${bits} -> ${value}`).toBe(`${numberToFp16(value)}`);
    }
  });

  test("knows the limits of its range", () => {
    expect(numberToFp16(65504)).toBe(0x7bff);
    expect(numberToFp16(65519.99)).toBe(0x7bff);
    expect(numberToFp16(65520)).toBe(0x7c00);
    expect(numberToFp16(-Infinity)).toBe(0xfc00);
    expect(numberToFp16(2 ** -24)).toBe(1);
    expect(numberToFp16(2 ** -25)).toBe(0);
    expect(numberToFp16(2 ** -25 * 1.0001)).toBe(1);
    expect(numberToFp16(-0)).toBe(0x8000);
    expect(numberToFp16(Number.MIN_VALUE)).toBe(0);
  });

  test("rounds once, from the double: a detour over singles would round 1 + 2^-11 + 2^-40 down", () => {
    expect(numberToFp16(1 + 2 ** -11 + 2 ** -40)).toBe(0x3c01);
    expect(numberToFp16(1 + 2 ** -11)).toBe(0x3c00);
    expect(numberToFp16(1 + 3 * 2 ** -11)).toBe(0x3c02);
  });

  test("rounds to the nearest value, ties to even", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 65519, noNaN: true }), (value) => {
        expect(numberToFp16(value)).toBe(nearest(value, fp16ToNumber, 0x7c00));
      }),
      { numRuns: 30 },
    );
  });

  test("agrees with the runtime's Float16Array where it has one", () => {
    const native = float16View(new Uint16Array(ALL_BITS));
    if (native === undefined) return;
    for (const bits of ALL_BITS) {
      if (!Object.is(native[bits], fp16ToNumber(bits))) expect(fp16ToNumber(bits)).toBe(native[bits]!);
    }
    const bits = new Uint16Array(1);
    const one = float16View(bits)!;
    fc.assert(
      fc.property(fc.oneof(fc.double(), fc.double({ min: -70000, max: 70000 }), fc.float()), (value) => {
        one[0] = value;
        expect(Number.isNaN(value) ? FP16_NAN : bits[0]).toBe(numberToFp16(value));
      }),
      { numRuns: 3000 },
    );
  });

  test("converts arrays as it converts single numbers", () => {
    const values = [0, -0, 1.5, -2.25, 1e-7, 7e4, -Infinity, 0.1];
    expect([...encodeFp16(values)]).toEqual(values.map(numberToFp16));
    expect([...decodeFp16(encodeFp16(values))]).toEqual(values.map(numberToFp16).map(fp16ToNumber));
    expect(Number.isNaN(decodeFp16(encodeFp16([NaN]))[0])).toBe(true);
  });
});

describe("FP16 on a runtime without Float16Array", () => {
  test("converts arrays to the same bits and back", () => {
    const values = [0, -0, 1.5, -2.25, 1e-7, 7e4, -Infinity, 0.1, 2 ** -25, 65519.99];
    const bits = encodeFp16(values);
    const decoded = decodeFp16(ALL_BITS);
    const saved = Object.getOwnPropertyDescriptor(globalThis, "Float16Array");
    if (saved !== undefined) delete (globalThis as unknown as { Float16Array?: unknown }).Float16Array;
    try {
      expect(float16View(bits)).toBe(undefined);
      expect([...encodeFp16(values)]).toEqual([...bits]);
      expect([...decodeFp16(ALL_BITS)]).toEqual([...decoded]);
    } finally {
      if (saved !== undefined) Object.defineProperty(globalThis, "Float16Array", saved);
    }
  });
});

describe("BF16", () => {
  test("gives back the bits of each of its values", () => {
    for (const bits of ALL_BITS) {
      const value = bf16ToNumber(bits);
      if (Number.isNaN(value)) expect(numberToBf16(value)).toBe(0x7fc0);
      else if (numberToBf16(value) !== bits) expect(`${bits} -> ${value}`).toBe(`${numberToBf16(value)}`);
    }
  });

  test("is the upper half of a single", () => {
    const decoded = decodeBf16(ALL_BITS);
    for (const bits of ALL_BITS) {
      if (!Object.is(decoded[bits], bf16ToNumber(bits))) expect(bf16ToNumber(bits)).toBe(decoded[bits]!);
    }
  });

  test("knows the limits of its range and rounds ties to even", () => {
    expect(numberToBf16(1 + 2 ** -8)).toBe(0x3f80);
    expect(numberToBf16(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(numberToBf16(1 + 2 ** -8 + 2 ** -50)).toBe(0x3f81);
    expect(numberToBf16((2 - 2 ** -7) * 2 ** 127)).toBe(0x7f7f);
    expect(numberToBf16((2 - 2 ** -8) * 2 ** 127)).toBe(0x7f80);
    expect(numberToBf16(Number.MAX_VALUE)).toBe(0x7f80);
    expect(numberToBf16(2 ** -133)).toBe(1);
    expect(numberToBf16(2 ** -134)).toBe(0);
    expect(numberToBf16(-0)).toBe(0x8000);
  });

  test("rounds to the nearest value", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 3.38e38, noNaN: true }), (value) => {
        expect(numberToBf16(value)).toBe(nearest(value, bf16ToNumber, 0x7f80));
      }),
      { numRuns: 30 },
    );
  });

  test("converts arrays as it converts single numbers", () => {
    const values = [0, 1.5, -2.25, 1e-40, 3.4e38, 0.1];
    expect([...encodeBf16(values)]).toEqual(values.map(numberToBf16));
  });
});
