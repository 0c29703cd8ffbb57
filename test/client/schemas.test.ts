import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { z } from "zod";
import { operator, RemoteTensor, Tensor } from "../../mod.ts";
import { type FakeDeployment, startFakeDeployment } from "../../src/testing/mod.ts";
import { failure } from "../support/waiting.ts";

let executed = 0;
const vector = { dtype: "FP32", shape: [-1] } as const;
const operators = [
  operator({
    name: "double",
    inputs: { x: vector, bias: { dtype: "INT32", shape: [], optional: true } },
    outputs: { y: vector },
    execute: ({ inputs: { x, bias } }) => {
      executed++;
      // Typed by the specs: `x.data` is a Float32Array, `bias` may be left out.
      const values: Float32Array = x.data;
      return { y: values.map((value) => value * 2 + (bias?.data[0] ?? 0)) };
    },
  }),
  operator({
    name: "zodden",
    inputs: z.object({ x: z.object({ dtype: z.literal("FP32"), shape: z.tuple([z.literal(2)]) }) }) as never,
    execute: () => {
      executed++;
      return { y: Tensor.from("FP32", [1]) };
    },
  }),
  operator({
    name: "liar",
    outputs: { y: vector },
    execute: ({ parameters }) => {
      if (parameters.how === "dtype") return { y: new Int32Array(1) };
      if (parameters.how === "shape") return { y: Tensor.from("FP32", [[1, 2]]) };
      if (parameters.how === "none") return {} as never;
      if (parameters.how === "extra") return { y: new Float32Array(1), z: new Float32Array(1) };
      if (parameters.how === "array") return { y: [1, 2] } as never;
      return null as never;
    },
  }),
];

let deployment: FakeDeployment;
beforeAll(async () => {
  deployment = await startFakeDeployment({ operators });
});
afterAll(() => deployment.close());

describe("inputs", () => {
  test("that fit are taken, as tensors or as typed arrays, and optional ones may be left out", async () => {
    const double = deployment.client.operator<
      { x: Tensor<"FP32"> | Float32Array; bias?: Tensor<"INT32"> },
      { y: Tensor<"FP32"> }
    >(
      "double",
    );
    const { y } = await double.infer({ x: new Float32Array([1, 2]) });
    expect([...y.data]).toEqual([2, 4]);
    const biased = await double.infer({ x: Tensor.from("FP32", [1, 2]), bias: Tensor.from("INT32", 10) });
    expect([...biased.y.data]).toEqual([12, 14]);
    expect([...(await double.infer({ x: new Float32Array([3]), bias: undefined })).y.data]).toEqual([6]);
  });

  test("that do not fit the operator's specs are refused before they are sent", async () => {
    const { client } = deployment;
    const before = executed;
    const x = new Float32Array(2);
    const wrong = [
      { x: new Float64Array(2) },
      { x: Tensor.from("FP32", [[1, 2]]) },
      {},
      { x, y: x },
      { x, bias: Tensor.from("FP32", 1) },
      { x: [1, 2] as never },
    ];
    for (const inputs of wrong) {
      const error = await failure(client.operator("double").infer(inputs));
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.rawMessage).toMatch(/the inputs of operator "double"/);
    }
    const stream = client.operator("double").stream({});
    expect((await failure(stream.next())).code).toBe(Code.InvalidArgument);
    expect((await failure(client.operator("double").post({}))).code).toBe(Code.InvalidArgument);
    expect(executed).toBe(before);
    expect(client.caller.openCalls).toBe(0);
  });

  test("that do not fit a handle's own specs, or its Standard Schema, are refused before they are sent", async () => {
    const { client } = deployment;
    const own = client.operator("zodden", { inputs: { x: { dtype: "FP32", shape: [3] } } });
    expect((await failure(own.infer({ x: new Float32Array(2) }))).rawMessage).toMatch(/"x"/);
    const schema = z.object({ x: z.object({ dtype: z.literal("FP32"), byteLength: z.number().max(8) }) });
    const checked = client.operator("zodden", { inputs: schema as never });
    const error = await failure(checked.infer({ x: new Float32Array(3) }));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toMatch(/^Cannot use the inputs of operator "zodden": x.byteLength: /);
    await checked.infer({ x: new Float32Array(2) });
  });

  test("that do not fit an operator's Standard Schema are refused by the worker, before execute", async () => {
    const before = executed;
    const error = await failure(deployment.client.operator("zodden").infer({ x: new Float32Array(3) }));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toMatch(/^Cannot use the inputs of operator "zodden": x\.shape/);
    expect(executed).toBe(before);
    await deployment.client.operator("zodden").infer({ x: new Float32Array(2) });
  });

  test("by reference are checked by their descriptors, before they are fetched", async () => {
    const { client } = deployment;
    const remote = await client.put(Tensor.from("FP64", [1]));
    expect(remote instanceof RemoteTensor).toBe(true);
    expect((await failure(client.operator("double").infer({ x: remote }))).code).toBe(Code.InvalidArgument);
    const fits = await client.put(Tensor.from("FP32", [1, 2]));
    const { y } = await client.operator("double").infer({ x: fits });
    expect([...(await y!.fetch()).data as Float32Array]).toEqual([2, 4]);
  });
});

describe("outputs", () => {
  test("that do not fit are the operator's fault, and are not answered", async () => {
    for (const how of ["dtype", "shape", "none", "extra", "array", "null"]) {
      const error = await failure(deployment.client.operator("liar").infer({}, { parameters: { how } }));
      expect([how, error.code]).toEqual([how, Code.Internal]);
      expect(error.rawMessage).toMatch(/operator "liar"/);
    }
  });

  test("that do not fit a handle's own schema are refused to its caller", async () => {
    const handle = deployment.client.operator("double", { outputs: { y: { dtype: "FP32", shape: [1] } } });
    await handle.infer({ x: new Float32Array(1) });
    const error = await failure(handle.infer({ x: new Float32Array(2) }));
    expect(error.rawMessage).toMatch(/the outputs of operator "double"/);
  });
});
