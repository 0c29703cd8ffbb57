import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { inspect } from "node:util";
import { isTensor, Tensor } from "../../src/tensor/tensor.ts";
import { failure } from "./support.ts";

describe("a tensor", () => {
  test("shows the memory that it was made from", () => {
    const array = new Float32Array([1, 2, 3, 4]);
    const tensor = Tensor.from(array, [2, 2]);
    expect(tensor.dtype).toBe("FP32");
    expect(tensor.shape).toEqual([2, 2]);
    expect(tensor.size).toBe(4);
    expect(tensor.byteLength).toBe(16);
    tensor.data[0] = 9;
    expect(array[0]).toBe(9);
    expect(tensor.data.buffer).toBe(array.buffer);
  });

  test("copies bytes once when they are not aligned for its elements, and stays coherent", () => {
    const message = new Uint8Array(9);
    message.set([0, 0, 0x80, 0x3f, 0, 0, 0, 0x40], 1);
    const tensor = new Tensor("FP32", [2], message.subarray(1));
    expect(tensor.bytes.buffer).toBe(message.buffer);
    expect([...tensor.data]).toEqual([1, 2]);
    expect(tensor.data).toBe(tensor.data);
    tensor.data[0] = 2;
    expect([...tensor.bytes.subarray(0, 4)]).toEqual([0, 0, 0, 0x40]);
    expect(message[3]).toBe(0x80);
  });

  test("names dtype, shape and bytes when they do not fit", () => {
    expect(failure(() => new Tensor("FP32", [2, 2], new Uint8Array(15))).rawMessage).toBe(
      "Cannot make a tensor: FP32 of shape [2,2] needs 16 bytes, got 15",
    );
    expect(failure(() => new Tensor("BYTES", [2], new Uint8Array(4))).rawMessage).toBe(
      "Cannot make a tensor: BYTES of shape [2] needs 2 elements, got 1 in 4 bytes",
    );
    expect(failure(() => new Tensor("FP8" as "FP16", [1], new Uint8Array(1))).rawMessage).toContain('got "FP8"');
    for (const shape of [[-1], [1.5], [NaN], [2 ** 53], [2 ** 30, 2 ** 30]]) {
      expect(failure(() => new Tensor("UINT8", shape, new Uint8Array(1))).code).toBe(Code.InvalidArgument);
    }
  });

  test("may be a scalar or empty", () => {
    expect(Tensor.from("INT64", 5n).shape).toEqual([]);
    expect(Tensor.from("INT64", 5n).size).toBe(1);
    expect([...Tensor.from("INT64", 5).data]).toEqual([5n]);
    expect(Tensor.from("BYTES", "one").strings()).toEqual(["one"]);
    expect(Tensor.from("FP32", []).shape).toEqual([0]);
    expect(Tensor.from("FP32", [[], []]).shape).toEqual([2, 0]);
    expect(new Tensor("BYTES", [0, 3], new Uint8Array(0)).strings()).toEqual([]);
    expect(new Tensor("FP64", [2 ** 52, 2 ** 52, 0], new Uint8Array(0)).size).toBe(0);
  });

  test("keeps its own shape", () => {
    const shape = [2];
    const tensor = Tensor.from(new Uint8Array(2), shape);
    shape[0] = 3;
    expect(tensor.shape).toEqual([2]);
  });

  test("is recognised whichever copy of the package made it", () => {
    expect(isTensor(Tensor.from("BOOL", true))).toBe(true);
    expect(isTensor({ dtype: "BOOL", shape: [] })).toBe(false);
    expect(isTensor(null)).toBe(false);
  });

  test("prints what it is and not its elements", () => {
    const tensor = Tensor.from("FP32", [[1, 2, 3]]);
    expect(`${tensor}`).toBe("FP32 [1,3] (12 bytes)");
    expect(inspect(tensor)).toBe("Tensor FP32 [1,3] (12 bytes)");
  });

  test("gives a type to its data once its dtype is checked", () => {
    const tensor: Tensor = Tensor.from("FP32", [1]);
    const data: Float32Array = tensor.as("FP32").data;
    expect(data[0]).toBe(1);
    expect(failure(() => tensor.as("INT8")).rawMessage).toBe(
      'Cannot read FP32 [1] (4 bytes) as INT8: its dtype must be "INT8", got "FP32"',
    );
    expect(failure(() => tensor.strings()).code).toBe(Code.FailedPrecondition);
  });
});

describe("Tensor.from", () => {
  test("infers the dtype of typed arrays", () => {
    expect(Tensor.from(new BigInt64Array(2)).dtype).toBe("INT64");
    expect(Tensor.from(new Uint8ClampedArray(2)).dtype).toBe("UINT8");
    expect(Tensor.from(new Float64Array(2).subarray(1)).byteLength).toBe(8);
  });

  test("infers FP16 where the runtime has Float16Array", () => {
    const Native = (globalThis as unknown as { Float16Array?: new (values: number[]) => never }).Float16Array;
    if (Native === undefined) return;
    const tensor: Tensor = Tensor.from(new Native([1.5]));
    expect(tensor.dtype).toBe("FP16");
    expect(tensor.toNumbers()).toEqual([1.5]);
  });

  test("takes nested arrays, typed rows too, for their shape", () => {
    expect(Tensor.from("INT32", [[[1, 2]], [[3, 4]]]).shape).toEqual([2, 1, 2]);
    const rows = Tensor.from("FP32", [new Float32Array([1, 2]), new Float32Array([3, 4])]);
    expect(rows.shape).toEqual([2, 2]);
    expect(rows.toNumbers()).toEqual([1, 2, 3, 4]);
    expect(Tensor.from("BYTES", [["a"], [new Uint8Array(2)]]).shape).toEqual([2, 1]);
  });

  test("refuses ragged nesting", () => {
    const ragged = [[[1], [1, 2]], [[1], 2], [1, [2]], [[], [1]], [[[1]], [1]]];
    for (const source of ragged) {
      expect(failure(() => Tensor.from("UINT8", source)).code).toBe(Code.InvalidArgument);
    }
  });

  test("takes a shape that holds as many elements", () => {
    expect(Tensor.from("UINT8", [1, 2, 3, 4], [2, 2]).shape).toEqual([2, 2]);
    expect(Tensor.from("UINT8", 7, [1, 1]).shape).toEqual([1, 1]);
    expect(failure(() => Tensor.from("UINT8", [1, 2, 3], [2, 2])).code).toBe(Code.InvalidArgument);
  });

  test("does not copy a typed array that is stored as the dtype is", () => {
    const bits = new Uint16Array([0x3c00]);
    expect(Tensor.from("FP16", bits).data.buffer).toBe(bits.buffer);
    expect(Tensor.from("BF16", bits).data.buffer).toBe(bits.buffer);
    const flags = new Uint8Array([0, 1]);
    expect(Tensor.from("BOOL", flags).data.buffer).toBe(flags.buffer);
    expect(Tensor.from("INT8", flags).data.buffer === flags.buffer).toBe(false);
  });

  test("refuses integers that do not fit instead of wrapping them", () => {
    const refused = [
      ["UINT8", 256],
      ["UINT8", -1],
      ["INT8", 128],
      ["INT16", -32769],
      ["UINT32", 2 ** 32],
      ["INT32", 1.5],
      ["INT32", NaN],
      ["INT64", 2 ** 53],
      ["INT64", 2n ** 63n],
      ["UINT64", -1n],
      ["UINT64", 2n ** 64n],
      ["BOOL", 2],
      ["BOOL", "true"],
      ["FP32", "1"],
      ["FP32", true],
      ["UINT8", true],
      ["UINT8", "1"],
      ["BYTES", 1],
    ] as const;
    for (const [dtype, value] of refused) {
      expect(failure(() => Tensor.from(dtype, [value])).code).toBe(Code.InvalidArgument);
    }
    expect(failure(() => Tensor.from("UINT8", [1, 256])).rawMessage).toBe(
      "Cannot make a tensor: element 1 of a UINT8 must be an integer from 0 to 255, got 256",
    );
    expect(failure(() => Tensor.from("BOOL", new Uint8Array([1, 2]))).code).toBe(Code.InvalidArgument);
    expect(failure(() => Tensor.from("INT8", new Float32Array([0.5]))).code).toBe(Code.InvalidArgument);
  });

  test("holds the extremes of every integer dtype", () => {
    expect([...Tensor.from("INT64", [-(2n ** 63n), 2n ** 63n - 1n]).data]).toEqual([-(2n ** 63n), 2n ** 63n - 1n]);
    expect([...Tensor.from("UINT64", [0, 2n ** 64n - 1n]).data]).toEqual([0n, 2n ** 64n - 1n]);
    expect([...Tensor.from("INT32", [-(2 ** 31), 2n ** 31n - 1n]).data]).toEqual([-(2 ** 31), 2 ** 31 - 1]);
    expect([...Tensor.from("UINT32", [2 ** 32 - 1]).data]).toEqual([2 ** 32 - 1]);
  });

  test("gives back what it was given, for every dtype", () => {
    const roundTrip = (dtype: "INT16" | "FP32" | "FP64" | "UINT32", values: fc.Arbitrary<number>) => {
      fc.assert(fc.property(fc.array(values), (numbers) => {
        expect(Tensor.from(dtype, numbers).toNumbers()).toEqual(numbers);
      }));
    };
    roundTrip("INT16", fc.integer({ min: -32768, max: 32767 }));
    roundTrip("UINT32", fc.integer({ min: 0, max: 2 ** 32 - 1 }));
    roundTrip("FP32", fc.float());
    roundTrip("FP64", fc.double());
    fc.assert(fc.property(fc.array(fc.boolean()), (flags) => {
      expect(Tensor.from("BOOL", flags).toJSON().data).toEqual(flags);
    }));
  });
});

describe("reading a tensor", () => {
  test("as numbers converts halves and refuses what numbers cannot hold", () => {
    expect(Tensor.from("FP16", [1.5, -0.25]).toNumbers()).toEqual([1.5, -0.25]);
    expect(Tensor.from("BF16", [1.5, -0.25]).toNumbers()).toEqual([1.5, -0.25]);
    expect(Tensor.from("INT64", [-5]).toNumbers()).toEqual([-5]);
    expect(Tensor.from("BOOL", [true, false]).toNumbers()).toEqual([1, 0]);
    expect(failure(() => Tensor.from("INT64", [2n ** 60n]).toNumbers()).code).toBe(Code.OutOfRange);
    expect(failure(() => Tensor.from("BYTES", ["1"]).toNumbers()).code).toBe(Code.FailedPrecondition);
  });

  test("as singles works for every numeric dtype", () => {
    expect([...Tensor.from("FP16", [1.5]).toFloat32Array()]).toEqual([1.5]);
    expect([...Tensor.from("UINT64", [3n]).toFloat32Array()]).toEqual([3]);
    const source = new Float32Array([1]);
    expect(Tensor.from(source).toFloat32Array().buffer === source.buffer).toBe(false);
  });

  test("as JSON keeps what JSON numbers cannot hold as strings", () => {
    const json = (tensor: Tensor) => JSON.parse(JSON.stringify(tensor));
    expect(json(Tensor.from("FP32", [[1, NaN, -Infinity]]))).toEqual({
      dtype: "FP32",
      shape: [1, 3],
      data: [1, "NaN", "-Infinity"],
    });
    expect(json(Tensor.from("INT64", [1n, 2n ** 60n])).data).toEqual([1, "1152921504606846976"]);
    expect(json(Tensor.from("BYTES", ["é", new Uint8Array([255])])).data).toEqual(["é", { base64: "/w==" }]);
    expect(json(Tensor.from("BOOL", true))).toEqual({ dtype: "BOOL", shape: [], data: [true] });
  });
});
