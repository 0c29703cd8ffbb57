import { create } from "@bufbuild/protobuf";
import { Code, createClient, createConnectRouter, createRouterTransport } from "@connectrpc/connect";
import { createAsyncIterable } from "@connectrpc/connect/protocol";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ModelInferRequestSchema } from "../../gen/inference/grpc_service_pb.ts";
import { operator } from "../../mod.ts";
import { KServeService } from "../../src/kserve/grpc/descriptor.ts";
import { clientHost, kserveService } from "../../src/kserve/mod.ts";
import { type FakeDeployment, startFakeDeployment } from "../../src/testing/mod.ts";
import { eventually } from "../bus/support.ts";
import { failure, gate } from "../support/waiting.ts";

const spec = { dtype: "INT32", shape: [1] } as const;
const release = gate();
const told = { running: 0, aborted: 0 };

const operators = [
  operator({ name: "quick", inputs: { x: spec }, outputs: { x: spec }, execute: ({ inputs: { x } }) => ({ x }) }),
  operator({
    name: "held",
    inputs: { x: spec },
    outputs: { x: spec },
    execute: async ({ inputs: { x } }) => {
      await release.promise;
      return { x };
    },
  }),
  operator({
    name: "endless",
    inputs: { x: spec },
    outputs: { x: spec },
    execute: async ({ inputs: { x } }, { signal }) => {
      told.running++;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      told.aborted++;
      return { x };
    },
  }),
];

const request = (modelName: string, id: string) =>
  create(ModelInferRequestSchema, {
    modelName,
    id,
    inputs: [{ name: "x", datatype: "INT32", shape: [1n] }],
    rawInputContents: [new Uint8Array(4)],
  });

describe("KServe over gRPC", () => {
  let deployment: FakeDeployment;
  const transport = (options = {}) =>
    createRouterTransport(kserveService(clientHost(deployment.client), options), { transport: { useBinaryFormat: true } });
  const service = (options = {}) => createClient(KServeService, transport(options));
  beforeAll(async () => {
    deployment = await startFakeDeployment({ operators });
  });
  afterAll(() => deployment.close());

  test("answers each request of a stream as soon as it can", async () => {
    const ids: string[] = [];
    const requests = createAsyncIterable([request("held", "first"), request("quick", "second"), request("nobody", "third")]);
    for await (const { inferResponse } of service().modelStreamInfer(requests)) {
      ids.push(inferResponse!.id);
      if (ids.length === 2) release.open();
    }
    expect(ids.slice(0, 2).sort()).toEqual(["second", "third"]);
    expect(ids[2]).toBe("first");
  });

  test("ends a stream with a real error where the client asks for that", async () => {
    const call = async (headers: HeadersInit) => {
      const answers: string[] = [];
      const requests = createAsyncIterable([request("nobody", "a")]);
      for await (const { errorMessage } of service().modelStreamInfer(requests, { headers })) answers.push(errorMessage);
      return answers;
    };
    expect(await call({})).toEqual(["Request for unknown model: 'nobody' is not found"]);
    expect((await failure(call({ triton_grpc_error: "true" }))).code).toBe(Code.NotFound);
  });

  test("ends operators' calls when the caller gives up, alone and in a stream", async () => {
    const one = new AbortController();
    const unary = failure(service().modelInfer(request("endless", "a"), { signal: one.signal }));
    await eventually(() => told.running === 1, "the operator runs");
    one.abort();
    expect((await unary).code).toBe(Code.Canceled);
    await eventually(() => told.aborted === 1, "the operator is told");
    const many = new AbortController();
    const requests = createAsyncIterable([request("endless", "b")]);
    const stream = failure(Array.fromAsync(service().modelStreamInfer(requests, { signal: many.signal })));
    await eventually(() => told.running === 2, "the operator runs again");
    many.abort();
    expect((await stream).code).toBe(Code.Canceled);
    await eventually(() => told.aborted === 2, "the operator is told again");
  });

  test("opens models to keys alone where there are some, in streams too", async () => {
    const keys = [{ key: "0123456789abcdef", models: ["quick"] }];
    const headers = { authorization: "Bearer 0123456789abcdef" };
    const { modelInfer, modelStreamInfer, serverLive, repositoryIndex } = service({ keys });
    expect((await serverLive({})).live).toBe(true);
    expect((await failure(modelInfer(request("quick", "")))).code).toBe(Code.Unauthenticated);
    expect((await modelInfer(request("quick", ""), { headers })).modelName).toBe("quick");
    expect((await failure(modelInfer(request("held", ""), { headers }))).code).toBe(Code.PermissionDenied);
    expect((await failure(repositoryIndex({}, { headers }))).code).toBe(Code.PermissionDenied);
    const answers = await Array.fromAsync(modelStreamInfer(createAsyncIterable([request("held", "")]), { headers }));
    expect(answers.map(({ errorMessage }) => errorMessage)).toEqual([expect.stringContaining("This API is restricted")]);
  });

  test("answers what is no protobuf as Triton does", async () => {
    const router = createConnectRouter();
    kserveService(clientHost(deployment.client))(router);
    const handler = router.handlers.find(({ method }) => method.name === "ModelInfer")!;
    const envelope = new Uint8Array([0, 0, 0, 0, 3, 255, 255, 255]);
    const answer = await handler({
      httpVersion: "2.0",
      method: "POST",
      url: `http://localhost${handler.requestPath}`,
      header: new Headers({ "content-type": "application/grpc+proto", te: "trailers" }),
      body: createAsyncIterable([envelope]),
      signal: new AbortController().signal,
    });
    for await (const _ of answer.body as AsyncIterable<Uint8Array>) { /* Trailers come behind the body. */ }
    expect(answer.trailer?.get("grpc-status")).toBe(String(Code.Internal));
  });
});
