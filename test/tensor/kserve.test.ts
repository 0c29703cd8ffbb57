import { describe, expect, test } from "bun:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import {
  type ModelInferRequest,
  ModelInferRequestSchema,
  type ModelInferResponse,
  ModelInferResponseSchema,
} from "../../gen/inference/grpc_service_pb.ts";
import { type DType, DTYPE_BYTES, DTYPES } from "../../src/tensor/dtype.ts";
import { encodeElements } from "../../src/tensor/bytes-elements.ts";
import { decodeInputs, decodeOutputs } from "../../src/tensor/kserve-decode.ts";
import { encodeInferRequest, encodeInferResponse, type TensorEntries } from "../../src/tensor/kserve-encode.ts";
import { encodeParameters } from "../../src/tensor/parameters.ts";
import { type EncodedReference, isEncodedReference, type MessageTensor } from "../../src/tensor/reference.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { failure } from "./support.ts";

function sendRequest(inputs: TensorEntries): ModelInferRequest {
  const request = encodeInferRequest({ modelName: "m", inputs });
  return fromBinary(ModelInferRequestSchema, toBinary(ModelInferRequestSchema, request));
}

function sendResponse(outputs: TensorEntries): ModelInferResponse {
  const response = encodeInferResponse({ modelName: "m", outputs });
  return fromBinary(ModelInferResponseSchema, toBinary(ModelInferResponseSchema, response));
}

type Input = NonNullable<MessageInitShape<typeof ModelInferRequestSchema>["inputs"]>[number];

function typed(datatype: string, shape: number[], contents: Input["contents"], raw: Uint8Array[] = []): ModelInferRequest {
  const inputs = [{ name: "x", datatype, shape: shape.map(BigInt), contents }] as Input[];
  return create(ModelInferRequestSchema, { modelName: "m", inputs, rawInputContents: raw });
}

function inline(tensor: MessageTensor | undefined): Tensor {
  if (tensor === undefined || isEncodedReference(tensor)) throw new Error("expected an inline tensor");
  return tensor;
}

const descriptor = "wb1.secret";
const reference: EncodedReference = { dtype: "FP16", shape: [4, 2], byteSize: 16, descriptor };

const tensorArbitrary: fc.Arbitrary<Tensor> = fc
  .tuple(fc.constantFrom(...DTYPES), fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 }))
  .chain(([dtype, shape]) => {
    const size = shape.reduce((count, dim) => count * dim, 1);
    const bytes: fc.Arbitrary<Uint8Array> = dtype === "BYTES"
      ? fc.array(fc.uint8Array({ maxLength: 5 }), { minLength: size, maxLength: size }).map(encodeElements)
      : fc.uint8Array({ minLength: size * DTYPE_BYTES[dtype], maxLength: size * DTYPE_BYTES[dtype] });
    return bytes.map((bytes) => new Tensor<DType>(dtype, shape, bytes));
  });

describe("requests and responses", () => {
  test("give back every tensor and every reference under its name, in order", () => {
    const entry = fc.oneof(tensorArbitrary, fc.constant(reference));
    fc.assert(fc.property(fc.dictionary(fc.string({ unit: "binary" }), entry, { maxKeys: 5 }), (tensors) => {
      const entries = Object.entries(tensors);
      for (const back of [decodeInputs(sendRequest(entries)), decodeOutputs(sendResponse(entries))]) {
        expect(Object.keys(back)).toEqual(Object.keys(tensors));
        for (const [name, tensor] of entries) {
          if (isEncodedReference(tensor)) {
            expect(back[name]).toEqual(tensor);
            continue;
          }
          const got = inline(back[name]);
          expect([got.dtype, got.shape]).toEqual([tensor.dtype, tensor.shape]);
          expect([...got.bytes]).toEqual([...tensor.bytes]);
        }
      }
    }));
  });

  test("carry model, version, id, parameters and wanted outputs", () => {
    const request = encodeInferRequest({
      modelName: "m",
      modelVersion: "2",
      id: "mine",
      parameters: encodeParameters({ top: 5 }),
      inputs: [],
      outputs: [{ name: "y", parameters: encodeParameters({ classification: 3 }) }, { name: "z" }],
    });
    const back = fromBinary(ModelInferRequestSchema, toBinary(ModelInferRequestSchema, request));
    expect([back.modelName, back.modelVersion, back.id]).toEqual(["m", "2", "mine"]);
    expect(back.parameters.top?.parameterChoice).toEqual({ case: "int64Param", value: 5n });
    expect(back.outputs.map(({ name }) => name)).toEqual(["y", "z"]);
    expect(back.outputs[0]?.parameters.classification?.parameterChoice.value).toBe(3n);
  });

  test("have one raw entry for each tensor that is not a reference", () => {
    const request = sendRequest([["a", Tensor.from("UINT8", [1])], ["r", reference], ["b", Tensor.from("UINT8", [2, 3])]]);
    expect(request.rawInputContents.map((raw) => [...raw])).toEqual([[1], [2, 3]]);
    expect(Object.keys(request.inputs[1]!.parameters).sort()).toEqual(["waybill_byte_size", "waybill_descriptor"]);
  });

  test("decode to tensors over the message's own bytes", () => {
    const request = sendRequest([["a", Tensor.from("UINT8", [1, 2])]]);
    request.rawInputContents[0]![0] = 9;
    expect(inline(decodeInputs(request).a).toNumbers()).toEqual([9, 2]);
  });

  test("refuse two tensors of one name, written or read", () => {
    const tensor = Tensor.from("UINT8", [1]);
    expect(failure(() => sendRequest([["a", tensor], ["a", tensor]])).rawMessage).toBe(
      'Cannot encode the request: tensor names must differ, got "a" twice',
    );
    const request = sendRequest([["a", tensor], ["b", tensor]]);
    request.inputs[1]!.name = "a";
    expect(failure(() => decodeInputs(request)).code).toBe(Code.InvalidArgument);
  });

  test("may hold a tensor called __proto__", () => {
    const back = decodeInputs(sendRequest([["__proto__", Tensor.from("UINT8", [1])]]));
    expect(Object.keys(back)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });

  test("are broken by the server, not by the caller, when a response does not decode", () => {
    const response = sendResponse([["a", Tensor.from("UINT8", [1])]]);
    response.outputs[0]!.datatype = "FP32";
    const error = failure(() => decodeOutputs(response));
    expect(error.code).toBe(Code.Internal);
    expect(error.rawMessage).toBe('Cannot decode the response: tensor "a": FP32 of shape [1] needs 4 bytes, got 1');
  });
});

describe("raw contents", () => {
  test("are refused when there are too few; more than needed are ignored, as Triton does", () => {
    const request = sendRequest([["a", Tensor.from("UINT8", [1])], ["b", Tensor.from("UINT8", [2])]]);
    request.rawInputContents.push(new Uint8Array(1));
    expect(Object.keys(decodeInputs(request))).toEqual(["a", "b"]);
    request.rawInputContents.length = 1;
    expect(failure(() => decodeInputs(request)).rawMessage).toBe(
      'Cannot decode the request: tensor "b" must have contents, got 1 raw entries and none left for it',
    );
  });

  test("must not be mixed with typed contents", () => {
    expect(failure(() => decodeInputs(typed("INT32", [1], { intContents: [1] }, [new Uint8Array(4)]))).rawMessage).toContain(
      "must not be mixed",
    );
  });

  test("must fill the shape", () => {
    expect(failure(() => decodeInputs(typed("INT32", [2], undefined, [new Uint8Array(4)]))).rawMessage).toBe(
      'Cannot decode the request: tensor "x": INT32 of shape [2] needs 8 bytes, got 4',
    );
    expect(failure(() => decodeInputs(typed("BYTES", [1], undefined, [new Uint8Array(3)]))).code).toBe(Code.InvalidArgument);
  });

  test("are refused under an unknown dtype and a dimension that is negative or huge", () => {
    expect(failure(() => decodeInputs(typed("STRING", [1], undefined, [new Uint8Array(4)]))).rawMessage).toContain('"STRING"');
    for (const dim of [-1, 2 ** 60]) {
      expect(failure(() => decodeInputs(typed("UINT8", [dim], undefined, [new Uint8Array(1)]))).code).toBe(
        Code.InvalidArgument,
      );
    }
  });
});

describe("typed contents", () => {
  const cases: [DType, Input["contents"], unknown[]][] = [
    ["BOOL", { boolContents: [true, false] }, [1, 0]],
    ["UINT8", { uintContents: [0, 255] }, [0, 255]],
    ["UINT16", { uintContents: [0, 65535] }, [0, 65535]],
    ["UINT32", { uintContents: [0, 2 ** 32 - 1] }, [0, 2 ** 32 - 1]],
    ["UINT64", { uint64Contents: [0n, 2n ** 64n - 1n] }, [0n, 2n ** 64n - 1n]],
    ["INT8", { intContents: [-128, 127] }, [-128, 127]],
    ["INT16", { intContents: [-32768, 32767] }, [-32768, 32767]],
    ["INT32", { intContents: [-(2 ** 31), 1] }, [-(2 ** 31), 1]],
    ["INT64", { int64Contents: [-1n, 2n ** 60n] }, [-1n, 2n ** 60n]],
    ["FP32", { fp32Contents: [0.5, -Infinity] }, [0.5, -Infinity]],
    ["FP64", { fp64Contents: [0.1, 1e300] }, [0.1, 1e300]],
  ];

  test("are read for every dtype that has a field", () => {
    for (const [dtype, contents, values] of cases) {
      const message = typed(dtype, [2], contents);
      const wire = fromBinary(ModelInferRequestSchema, toBinary(ModelInferRequestSchema, message));
      expect([...inline(decodeInputs(wire).x).data]).toEqual(values as number[]);
    }
    const bytes = typed("BYTES", [2], { bytesContents: [new Uint8Array([0, 1]), new Uint8Array(0)] });
    expect(inline(decodeInputs(bytes).x).elements().map((element) => [...element])).toEqual([[0, 1], []]);
  });

  test("are refused in another dtype's field", () => {
    expect(failure(() => decodeInputs(typed("FP32", [1], { intContents: [1] }))).rawMessage).toBe(
      'Cannot decode the request: tensor "x" is FP32, whose elements must be in fp32_contents, got int_contents',
    );
    expect(failure(() => decodeInputs(typed("INT32", [1], { intContents: [1], uintContents: [1] }))).code).toBe(
      Code.InvalidArgument,
    );
  });

  test("are refused for FP16 and BF16, which travel raw only", () => {
    for (const dtype of ["FP16", "BF16"]) {
      expect(failure(() => decodeInputs(typed(dtype, [1], { fp32Contents: [1] }))).rawMessage).toContain("raw contents");
      expect(failure(() => decodeInputs(typed(dtype, [1], {}))).code).toBe(Code.InvalidArgument);
    }
  });

  test("are refused when they do not fill the shape or the range", () => {
    expect(failure(() => decodeInputs(typed("INT32", [2], { intContents: [1] }))).code).toBe(Code.InvalidArgument);
    expect(failure(() => decodeInputs(typed("UINT8", [1], { uintContents: [256] }))).code).toBe(Code.InvalidArgument);
    expect(failure(() => decodeInputs(typed("INT32", [1], undefined))).code).toBe(Code.InvalidArgument);
  });

  test("may be left out of an empty tensor", () => {
    expect(inline(decodeInputs(typed("INT32", [0, 4], undefined)).x).size).toBe(0);
  });
});

describe("references", () => {
  test("know the size of BYTES, which the shape does not tell", () => {
    const bytes: EncodedReference = { dtype: "BYTES", shape: [2], byteSize: 100, descriptor };
    expect(decodeInputs(sendRequest([["r", bytes]])).r).toEqual(bytes);
    const request = sendRequest([["r", bytes]]);
    delete request.inputs[0]!.parameters.waybill_byte_size;
    expect(failure(() => decodeInputs(request)).rawMessage).toContain("must have a size that fits, got none");
  });

  test("must have a size that fits their shape", () => {
    for (const byteSize of [15, NaN, -1]) {
      expect(failure(() => sendRequest([["r", { ...reference, byteSize }]])).code).toBe(Code.InvalidArgument);
    }
    const request = sendRequest([["r", reference]]);
    request.inputs[0]!.shape = [3n];
    expect(failure(() => decodeInputs(request)).code).toBe(Code.InvalidArgument);
  });

  test("must be one string, without contents", () => {
    const request = sendRequest([["r", reference]]);
    request.inputs[0]!.parameters.waybill_descriptor!.parameterChoice = { case: "boolParam", value: true };
    const error = failure(() => decodeInputs(request));
    expect(error.rawMessage).toBe('Cannot decode the request: the reference of tensor "r" must be one string, got boolParam');
  });

  test("are not shown in errors", () => {
    expect(failure(() => sendRequest([["r", { ...reference, byteSize: 1 }]])).message.includes(descriptor)).toBe(false);
  });
});

describe("shared memory regions", () => {
  const request = typed("UINT8", [2], undefined);
  request.inputs[0]!.parameters = encodeParameters({ shared_memory_region: "r", shared_memory_byte_size: 2 });

  test("are refused unless the caller can read them", () => {
    expect(failure(() => decodeInputs(request)).rawMessage).toBe(
      'Cannot decode the request: tensor "x" must have its bytes in the message, got a shared memory region',
    );
    const sharedMemory = (name: string) => new Uint8Array([name.length, 7]);
    expect(inline(decodeInputs(request, { sharedMemory }).x).toNumbers()).toEqual([1, 7]);
  });
});

describe("decoding", () => {
  test("fails with invalid_argument, whatever is wrong with the message", () => {
    const good = toBinary(
      ModelInferRequestSchema,
      encodeInferRequest({
        modelName: "m",
        inputs: [["a", Tensor.from("BYTES", ["x", "yz"])], ["r", reference], ["b", Tensor.from("FP32", [1, 2])]],
      }),
    );
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bad = good.slice();
        bad[at]! ^= flip;
        let request: ModelInferRequest;
        try {
          request = fromBinary(ModelInferRequestSchema, bad);
        } catch {
          return; // No protobuf any more: the transport refuses it.
        }
        try {
          decodeInputs(request);
        } catch {
          expect(failure(() => decodeInputs(request)).code).toBe(Code.InvalidArgument);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
