import { describe, expect, test } from "bun:test";
import { DTYPE_BYTES, dtypeOf, DTYPES, isDType, isTypedArray, viewBytes } from "../../src/tensor/dtype.ts";

describe("dtypes", () => {
  test("are KServe's fourteen", () => {
    expect(DTYPES.join(" ")).toBe("BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 BF16 FP32 FP64 BYTES");
  });

  test("are recognised by their exact names only", () => {
    expect(DTYPES.every(isDType)).toBe(true);
    for (const other of ["fp32", "", "FP32 ", "toString", "__proto__", 1, null, undefined, ["FP32"]]) {
      expect(isDType(other)).toBe(false);
    }
  });

  test("show bytes as typed arrays of their element size over the same memory", () => {
    const bytes = new Uint8Array(new ArrayBuffer(32), 8, 16);
    for (const dtype of DTYPES) {
      const view = viewBytes(dtype, bytes);
      expect(view.buffer).toBe(bytes.buffer);
      expect(view.byteOffset).toBe(8);
      expect(view.byteLength).toBe(16);
      if (dtype !== "BYTES") expect(view.BYTES_PER_ELEMENT).toBe(DTYPE_BYTES[dtype]);
    }
  });

  test("are inferred from typed arrays", () => {
    expect(dtypeOf(new Float32Array(1))).toBe("FP32");
    expect(dtypeOf(new BigUint64Array(1))).toBe("UINT64");
    expect(dtypeOf(new Uint8ClampedArray(1))).toBe("UINT8");
    expect(dtypeOf(new Uint16Array(1))).toBe("UINT16");
  });

  test("have typed arrays among views, and no DataView", () => {
    expect(isTypedArray(new Int8Array(1))).toBe(true);
    expect(isTypedArray(new DataView(new ArrayBuffer(1)))).toBe(false);
    expect(isTypedArray([1])).toBe(false);
  });
});
