import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "bun:test";
import { ModelInferRequestSchema, ModelInferResponseSchema } from "../../gen/inference/grpc_service_pb.ts";
import { inferRequestCodec, inferResponseCodec } from "../../src/tensor/kserve-wire.ts";

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const text = fc.oneof(fc.string({ unit: "binary", maxLength: 60 }), fc.string({ maxLength: 200 }));
const parameter = fc.oneof(
  fc.boolean().map((value) => ({ case: "boolParam" as const, value })),
  int64.map((value) => ({ case: "int64Param" as const, value })),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ({ case: "uint64Param" as const, value })),
  fc.double().map((value) => ({ case: "doubleParam" as const, value })),
  text.map((value) => ({ case: "stringParam" as const, value })),
).map((parameterChoice) => ({ parameterChoice }));
const parameters = fc.dictionary(fc.string({ maxLength: 20 }), parameter, { maxKeys: 4, noNullPrototype: true });
const tensor = fc.record({
  name: text,
  datatype: fc.constantFrom("FP32", "BYTES", ""),
  shape: fc.array(int64, { maxLength: 5 }),
  parameters,
});
const raw = fc.array(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 20_000, maxLength: 20_100 })), {
  maxLength: 3,
});
const head = { modelName: text, modelVersion: text, id: text, parameters };
const request = fc.record({ ...head, inputs: fc.array(tensor, { maxLength: 3 }), rawInputContents: raw })
  .map((init) => create(ModelInferRequestSchema, init));
const response = fc.record({ ...head, outputs: fc.array(tensor, { maxLength: 3 }), rawOutputContents: raw })
  .map((init) => create(ModelInferResponseSchema, init));

describe("the inference messages' own codec", () => {
  test("writes requests that the general code reads as they were", () => {
    fc.assert(fc.property(request, (message) => {
      expect(fromBinary(ModelInferRequestSchema, inferRequestCodec.encode(message))).toEqual(message);
    }));
  });

  test("reads requests as the general code does", () => {
    fc.assert(fc.property(request, (message) => {
      expect(inferRequestCodec.decode(toBinary(ModelInferRequestSchema, message))).toEqual(message);
    }));
  });

  test("writes and reads responses as the general code does", () => {
    fc.assert(fc.property(response, (message) => {
      expect(fromBinary(ModelInferResponseSchema, inferResponseCodec.encode(message))).toEqual(message);
      expect(inferResponseCodec.decode(toBinary(ModelInferResponseSchema, message))).toEqual(message);
    }));
  });

  test("leaves typed contents, requested outputs and unknown fields to the general code", () => {
    const message = create(ModelInferRequestSchema, {
      modelName: "m",
      inputs: [{ name: "x", datatype: "INT32", shape: [2n], contents: { intContents: [1, 2] } }],
      outputs: [{ name: "y" }],
    });
    const bytes = inferRequestCodec.encode(message);
    expect(bytes).toEqual(toBinary(ModelInferRequestSchema, message));
    expect(inferRequestCodec.decode(bytes)).toEqual(message);
    const unknown = new Uint8Array([...bytes, 0xfa, 0x06, 1, 7]);
    expect(inferRequestCodec.decode(unknown)).toEqual(fromBinary(ModelInferRequestSchema, unknown));
  });

  test("agrees with the general code on what is broken", () => {
    fc.assert(
      fc.property(request, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean(), (message, at, byte, cut) => {
        const whole = toBinary(ModelInferRequestSchema, message);
        const broken = cut ? whole.slice(0, at % (whole.length + 1)) : whole.slice();
        if (!cut && broken.length > 0) broken[at % broken.length] = byte;
        const outcome = (read: () => unknown): unknown => {
          try {
            return read();
          } catch {
            return "broken";
          }
        };
        expect(outcome(() => inferRequestCodec.decode(broken))).toEqual(
          outcome(() => fromBinary(ModelInferRequestSchema, broken)),
        );
      }),
      { numRuns: 500 },
    );
  });
});
