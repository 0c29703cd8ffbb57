import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type DType, DTYPES, Tensor } from "../../src/tensor/mod.ts";
import { elementsToBytes } from "../../src/kserve/json/elements.ts";
import { type Json, type JsonSlice, scanJson } from "../../src/kserve/json/scanner.ts";
import { elementsToJson } from "../../src/kserve/json/write.ts";
import { failure } from "../tensor/support.ts";

const scan = (text: string) => scanJson(new TextEncoder().encode(text));
const slice = (text: string) =>
  (scanJson(new TextEncoder().encode(`{"data":${text}}`), { sliced: "data" }) as { data: Json }).data as JsonSlice;
const reason = (text: string) => failure(() => scan(text)).rawMessage.replace("failed to parse the request JSON buffer: ", "");

/** Tensors of every dtype that JSON can carry. */
const tensors = fc.constantFrom<DType>(...DTYPES).chain((dtype): fc.Arbitrary<Tensor> => {
  const list = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 20 });
  switch (dtype) {
    case "BYTES":
      return list(fc.string({ unit: "binary" })).map((texts) => Tensor.from(dtype, texts, [texts.length]));
    case "BOOL":
      return list(fc.boolean()).map((values) => Tensor.from(dtype, values, [values.length]));
    case "INT64":
      return list(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })).map((values) =>
        Tensor.from(dtype, values, [values.length])
      );
    case "UINT64":
      return list(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })).map((values) => Tensor.from(dtype, values, [values.length]));
    case "FP16":
    case "BF16":
    case "FP32":
    case "FP64":
      return list(fc.double()).map((values) => Tensor.from(dtype, values, [values.length]));
    default: {
      const bits = Number(dtype.replace(/\D/g, ""));
      const [min, max] = dtype.startsWith("U") ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
      return list(fc.integer({ min, max })).map((values) => Tensor.from(dtype, values, [values.length]));
    }
  }
});

describe("JSON of tensors", () => {
  test("gives back every tensor that was written, bit for bit", () => {
    fc.assert(fc.property(tensors, (tensor) => {
      const { dtype } = tensor;
      const text = `[${elementsToJson("x", tensor).join(",")}]`;
      expect([...elementsToBytes(dtype, "x", slice(text))]).toEqual([...tensor.bytes]);
    }));
  });

  test("reads nested elements as flat ones, and numbers as JSON.parse does", () => {
    fc.assert(fc.property(fc.array(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }))), (rows) => {
      const text = JSON.stringify(rows);
      const flat = rows.flat().map((value) => (Object.is(value, -0) ? 0 : value));
      expect([...new Float64Array(elementsToBytes("FP64", "x", slice(text)).buffer)]).toEqual(flat);
      expect(slice(text).count).toBe(flat.length);
    }));
    for (const number of ["0.1", "1e23", "123456789012345678", "-1.7976931348623157e308", "5e-324", "0.30000000000000004"]) {
      expect([...new Float64Array(elementsToBytes("FP64", "x", slice(`[${number}]`)).buffer)]).toEqual([Number(number)]);
    }
  });

  test("reads any JSON as JSON.parse does", () => {
    const plain = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value, (_, one) => (typeof one === "bigint" ? Number(one) : one)));
    fc.assert(fc.property(fc.json({ maxDepth: 6 }), (text) => {
      expect(plain(scan(text))).toEqual(plain(JSON.parse(text)));
    }));
  });

  test("keeps integers exact, knows NaN and infinities, and takes the first of two equal keys", () => {
    expect(scan("[9007199254740993, -1, 1.5, NaN, Infinity, -Inf]")).toEqual([
      9007199254740993n,
      -1,
      1.5,
      NaN,
      Infinity,
      -Infinity,
    ]);
    expect({ ...scan('\ufeff {"a": 1, "a": 2, "__proto__": 3}') as object }).toEqual({ a: 1, ["__proto__"]: 3 } as object);
  });

  test("refuses what is no JSON where it goes wrong, in the words of Triton's parser", () => {
    expect(reason("")).toBe("The document is empty. at 0");
    expect(reason("{")).toBe("Missing a name for object member. at 1");
    expect(reason("[1,]")).toBe("Invalid value. at 3");
    expect(reason("[1 2]")).toBe("Missing a comma or ] after an array element. at 3");
    expect(reason("1 2")).toBe("The document root must not be followed by other values. at 2");
    expect(reason("[1e400]")).toBe("Number too big to be stored in double. at 1");
    expect(reason('"\\ud800"')).toBe("The surrogate pair in string is invalid. at 0");
    expect(reason('"\\x"')).toBe("Invalid escape character in string. at 0");
    expect(reason('"abc')).toBe("Missing a closing quotation mark in string. at 0");
  });

  test("never fails otherwise, whatever the bytes are", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        scanJson(bytes, { sliced: "data" });
      } catch (error) {
        expect(String(error)).toMatch(/failed to parse the request JSON buffer: .* at \d+|nesting depth/);
      }
    }));
  });

  test("refuses deep nesting before it costs anything", () => {
    const bomb = "[".repeat(5_000_000);
    for (const read of [scan, slice]) {
      expect(failure(() => read(bomb)).rawMessage).toContain("nesting depth exceeds maximum allowed limit (100)");
    }
  });

  test("refuses elements of other kinds, and integers that do not fit", () => {
    const refused = (dtype: DType, text: string) => failure(() => elementsToBytes(dtype, "x", slice(text))).rawMessage;
    expect(refused("INT32", "[1.0]")).toContain("non-signed-integer as signed-integer");
    expect(refused("UINT8", "[-1]")).toContain("out of range of UINT8");
    expect(refused("INT8", "[300]")).toContain("300 is out of range of INT8");
    expect(refused("UINT64", "[18446744073709551616]")).toContain("out of range of UINT64");
    expect(refused("BOOL", "[1]")).toContain("non-boolean as boolean");
    expect(refused("FP32", '["1"]')).toContain("non-number as double");
    expect(refused("FP32", "[{}]")).toContain("non-number as double");
    expect(refused("BYTES", "[1]")).toContain("non-string as string");
  });
});
