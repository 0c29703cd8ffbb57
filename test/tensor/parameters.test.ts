import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { InferParameterSchema, ModelInferRequestSchema } from "../../gen/inference/grpc_service_pb.ts";
import {
  decodeParameters,
  encodeParameters,
  type InferParameters,
  isReservedParameter,
  type ParameterValue,
} from "../../src/tensor/parameters.ts";
import { failure } from "./support.ts";

function overTheWire(parameters: InferParameters): InferParameters {
  const request = create(ModelInferRequestSchema, { parameters: encodeParameters(parameters) });
  return decodeParameters(fromBinary(ModelInferRequestSchema, toBinary(ModelInferRequestSchema, request)).parameters);
}

const value: fc.Arbitrary<ParameterValue> = fc.oneof(
  fc.boolean(),
  fc.string({ unit: "binary" }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }).filter((big) => !Number.isSafeInteger(Number(big))),
);

describe("parameters", () => {
  test("give back every value exactly, under every name", () => {
    const name = fc.string({ unit: "binary" }).filter((name) => !isReservedParameter(name));
    fc.assert(fc.property(fc.dictionary(name, value), (parameters) => {
      const back = overTheWire(parameters);
      expect(Object.keys(back).sort()).toEqual(Object.keys(parameters).sort());
      for (const key of Object.keys(parameters)) {
        if (!Object.is(back[key], parameters[key])) expect(back[key]).toBe(parameters[key]!);
      }
    }));
  });

  test("keep -0, NaN, infinities and integers apart", () => {
    const back = overTheWire({ a: -0, b: NaN, c: -Infinity, d: 2 ** 53, e: 1.0, f: Number.MIN_SAFE_INTEGER });
    expect(Object.is(back.a, -0)).toBe(true);
    expect(back).toEqual({ a: -0, b: NaN, c: -Infinity, d: 2 ** 53, e: 1, f: Number.MIN_SAFE_INTEGER });
  });

  test("use the exact type of the wire", () => {
    const wire = encodeParameters({ flag: true, int: 3, float: 0.5, text: "x", big: 2n ** 63n, low: -(2n ** 63n) });
    const cases = Object.fromEntries(Object.entries(wire).map(([name, { parameterChoice }]) => [name, parameterChoice.case]));
    expect(cases).toEqual({
      flag: "boolParam",
      int: "int64Param",
      float: "doubleParam",
      text: "stringParam",
      big: "uint64Param",
      low: "int64Param",
    });
  });

  test("give back a bigint that is a safe integer as a number, the one exception", () => {
    expect(overTheWire({ small: 5n, large: 2n ** 60n })).toEqual({ small: 5, large: 2n ** 60n });
  });

  test("may be called __proto__ without harm", () => {
    const parameters = JSON.parse('{"__proto__": "x"}') as InferParameters;
    const back = overTheWire(parameters);
    expect(Object.keys(back)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
  });

  test("refuse reserved names and name the option instead", () => {
    for (const name of ["waybill_x", "triton_x", "sequence_id", "sequence_start", "sequence_end", "priority", "timeout"]) {
      expect(isReservedParameter(name)).toBe(true);
      expect(failure(() => encodeParameters({ [name]: 1 })).code).toBe(Code.InvalidArgument);
    }
    expect(isReservedParameter("toString")).toBe(false);
    expect(failure(() => encodeParameters({ timeout: 1 })).rawMessage).toBe(
      'Cannot encode parameters: "timeout" is set by the option timeoutMs, got it as a parameter',
    );
  });

  test("leave reserved names out when they are read", () => {
    const choice = create(InferParameterSchema, { parameterChoice: { case: "stringParam", value: "x" } });
    expect(decodeParameters({ mine: choice, waybill_descriptor: choice, timeout: choice, triton_final_response: choice }))
      .toEqual({
        mine: "x",
      });
  });

  test("refuse values that the wire cannot hold", () => {
    for (const bad of [2n ** 64n, -(2n ** 63n) - 1n, "\udc00", null, undefined, {}, Symbol("x")]) {
      expect(failure(() => encodeParameters({ bad: bad as ParameterValue })).code).toBe(Code.InvalidArgument);
    }
    expect(failure(() => decodeParameters({ empty: create(InferParameterSchema) })).code).toBe(Code.InvalidArgument);
  });
});
