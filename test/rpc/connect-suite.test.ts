import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Client, Code, createClient, decodeBinaryHeader, encodeBinaryHeader, type Interceptor } from "@connectrpc/connect";
import { GRPCInferenceService } from "../../gen/inference/grpc_service_pb.ts";
import { ErrorDetailSchema } from "../../gen/waybill/v1/error_pb.ts";
import { OperatorService } from "../../gen/waybill/v1/operator_pb.ts";
import { ConformanceService } from "../conformance/gen/connectrpc/conformance/v1/service_pb.ts";
import { until } from "../support/program.ts";
import { collect, failure } from "../support/waiting.ts";
import { detail, type Way, ways } from "./connect-world.ts";

/** What interceptors saw and added, outermost first. */
function tracer(name: string, seen: string[]): Interceptor {
  return (next) => async (request) => {
    seen.push(`${name} ${request.stream ? "stream" : "unary"} ${request.method.name}`);
    request.header.append("x-ask", name);
    const response = await next(request);
    response.header.set(`x-${name}`, "passed");
    if (!response.stream) return response;
    const { message } = response;
    const counted = async function* () {
      for await (const item of message) {
        seen.push(`${name} item`);
        yield item;
      }
      seen.push(`${name} end`);
    };
    return { ...response, message: counted() } as typeof response;
  };
}

/** A stream of messages of one byte each. */
async function* bytes(...all: number[]): AsyncGenerator<{ requestData: Uint8Array<ArrayBuffer> }> {
  for (const byte of all) yield { requestData: Uint8Array.of(byte) };
}

for (const kind of ways) {
  describe(`a service over ${kind.name}`, () => {
    let way: Way;
    let unary: Client<typeof GRPCInferenceService>;
    let streams: Client<typeof OperatorService>;
    let uploads: Client<typeof ConformanceService>;
    beforeAll(async () => {
      way = await kind.open();
      unary = createClient(GRPCInferenceService, way.transport());
      streams = createClient(OperatorService, way.transport());
      uploads = createClient(ConformanceService, way.transport());
    });
    afterAll(() => way.close());

    test("answers, and its handlers know what was called", async () => {
      const answer = await unary.modelInfer({ id: "say", modelName: "hello ü" });
      expect(answer.id).toBe("say hello ü");
      expect(answer.modelName).toBe("ModelInfer");
      expect(answer.modelVersion).toBe("inference.GRPCInferenceService");
    });

    test("carries headers and trailers both ways, repeated and binary ones too", async () => {
      let header = new Headers();
      let trailer = new Headers();
      const bytes = new Uint8Array([0, 1, 254, 255]);
      await unary.modelInfer({}, {
        headers: { "x-ask": "who", "x-ask-bin": encodeBinaryHeader(bytes) },
        onHeader: (got) => header = got,
        onTrailer: (got) => trailer = got,
      });
      expect(header.get("x-answer")).toBe("who, heard");
      expect(header.get("x-many")).toBe("one, two");
      expect(decodeBinaryHeader(header.get("x-answer-bin") ?? "")).toEqual(bytes.reverse());
      expect(trailer.get("x-end")).toBe("over");
    });

    test("carries metadata of 8 KB", async () => {
      let header = new Headers();
      await unary.modelInfer({ id: "large", modelName: "4000" }, {
        headers: { "x-ask": "z".repeat(4_000) },
        onHeader: (got) => header = got,
      });
      expect(header.get("x-answer")?.length).toBe(4_007);
      expect(header.get("x-large")?.length).toBe(4_000);
    });

    test("passes errors on with code, message, typed details and metadata", async () => {
      const error = await failure(unary.modelInfer({ id: "fail", modelName: "typed" }));
      expect([error.code, error.rawMessage]).toEqual([Code.FailedPrecondition, "Broken: ü"]);
      expect(error.findDetails(ErrorDetailSchema)).toEqual([detail]);
      expect(error.metadata.get("x-why")).toBe("because");
      expect(decodeBinaryHeader(error.metadata.get("x-why-bin") ?? "")).toEqual(new Uint8Array([0, 255]));
      expect(error.metadata.get("x-end")).toBe("over");
    });

    test("keeps to itself what a handler did not mean to tell", async () => {
      const error = await failure(unary.modelInfer({ id: "fail", modelName: "crash" }));
      expect([error.code, error.rawMessage]).toEqual([Code.Internal, "internal error"]);
      const late = await failure(collect(streams.inferStream({ id: "fail", modelName: "1 crash" })));
      expect(late.code).toBe(Code.FailedPrecondition);
    });

    test("says unimplemented for a method that it lacks", async () => {
      expect((await failure(unary.modelReady({}))).code).toBe(Code.Unimplemented);
    });

    test("streams items in order, then trailers", async () => {
      let header = new Headers();
      let trailer = new Headers();
      const items = await collect(streams.inferStream({ modelName: "300" }, {
        headers: { "x-ask": "who" },
        onHeader: (got) => header = got,
        onTrailer: (got) => trailer = got,
      }));
      expect(items.map(({ id }) => id)).toEqual(Array.from({ length: 300 }, (_, i) => `${i}`));
      expect(header.get("x-answer")).toBe("who, heard");
      expect(trailer.get("x-end")).toBe("over");
    });

    test("streams nothing", async () => {
      let header = new Headers();
      let trailer = new Headers();
      const items = await collect(streams.inferStream({ modelName: "0" }, {
        onHeader: (got) => header = got,
        onTrailer: (got) => trailer = got,
      }));
      expect(items).toEqual([]);
      expect(header.get("x-many")).toBe("one, two");
      expect(trailer.get("x-end")).toBe("over");
    });

    test("takes a stream of messages, and answers it with one or with as many", async () => {
      let header = new Headers();
      let trailer = new Headers();
      const options = { onHeader: (got: Headers) => header = got, onTrailer: (got: Headers) => trailer = got };
      const one = await uploads.clientStream(bytes(1, 2, 3), { ...options, headers: { "x-ask": "who" } });
      expect(one.payload?.data).toEqual(Uint8Array.of(6));
      expect(header.get("x-answer")).toBe("who, heard");
      expect(trailer.get("x-end")).toBe("over");
      expect((await uploads.clientStream(bytes())).payload?.data).toEqual(Uint8Array.of(0));
      const many = await collect(uploads.bidiStream(bytes(4, 5), { ...options, headers: { "x-ask": "again" } }));
      expect(many.map(({ payload }) => payload?.data[0])).toEqual([4, 5]);
      expect(header.get("x-answer")).toBe("again, heard");
      expect(trailer.get("x-end")).toBe("over");
      expect(await collect(uploads.bidiStream(bytes()))).toEqual([]);
    });

    test("fails a stream of messages with details", async () => {
      const error = await failure(uploads.clientStream(bytes(1, 13, 2)));
      expect([error.code, error.rawMessage]).toEqual([Code.FailedPrecondition, "Broken: ü"]);
      expect(error.findDetails(ErrorDetailSchema)).toEqual([detail]);
      expect(error.metadata.get("x-why")).toBe("because");
    });

    test("fails a stream after its items, with details", async () => {
      const items: string[] = [];
      const read = async () => {
        for await (const { id } of streams.inferStream({ id: "fail", modelName: "3" })) items.push(id);
      };
      const error = await failure(read());
      expect(items).toEqual(["0", "1", "2"]);
      expect([error.code, error.rawMessage]).toEqual([Code.FailedPrecondition, "Broken: ü"]);
      expect(error.findDetails(ErrorDetailSchema)[0]?.operator).toBe("3");
      expect(error.metadata.get("x-why")).toBe("because");
    });

    test("lets a reader leave a stream early, and its signal ends the handler", async () => {
      const { left } = way.record;
      const stop = new AbortController();
      const stream = streams.inferStream({ id: "wait", modelName: "5" }, { signal: stop.signal });
      for await (const { id } of stream) if (id === "2") break;
      stop.abort();
      // Connect 2.2 leaves a generator that nobody reads where it is, when no network is between.
      if (kind.name !== "createRouterTransport") {
        await until("the handler has ended", () => way.record.left === left + 1);
      }
      expect((await unary.modelInfer({ id: "still", modelName: "there" })).id).toBe("still there");
    });

    test("cancels when the signal fires: both sides know", async () => {
      const before = way.record.aborts.length;
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 100);
      const error = await failure(unary.modelInfer({ id: "wait" }, { signal: stop.signal }));
      expect(error.code).toBe(Code.Canceled);
      await until("the handler knows", () => way.record.aborts.length === before + 1);
      const again = new AbortController();
      const items: string[] = [];
      const read = async () => {
        for await (const { id } of streams.inferStream({ id: "wait", modelName: "2" }, { signal: again.signal })) {
          if (items.push(id) === 2) setTimeout(() => again.abort(), 50);
        }
      };
      expect((await failure(read())).code).toBe(Code.Canceled);
      expect(items).toEqual(["0", "1"]);
      await until("the handler knows", () => way.record.aborts.length === before + 2);
    });

    test("does not begin what is canceled already", async () => {
      const error = await failure(unary.modelInfer({}, { signal: AbortSignal.abort() }));
      expect(error.code).toBe(Code.Canceled);
      expect((await failure(collect(streams.inferStream({}, { signal: AbortSignal.abort() })))).code).toBe(Code.Canceled);
    });

    test("[C6] ends at its deadline: both sides know", async () => {
      const before = way.record.aborts.length;
      expect((await failure(unary.modelInfer({ id: "wait" }, { timeoutMs: 150 }))).code).toBe(Code.DeadlineExceeded);
      const stream = streams.inferStream({ id: "wait", modelName: "1" }, { timeoutMs: 150 });
      expect((await failure(collect(stream))).code).toBe(Code.DeadlineExceeded);
      await until("the handlers know", () => way.record.aborts.length === before + 2);
    });

    test("tells handlers what time is left, and none where there is no deadline", async () => {
      const { id } = await unary.modelInfer({ id: "time" }, { timeoutMs: 5_000 });
      expect(Number(id)).toBeGreaterThan(3_000);
      expect(Number(id)).toBeLessThanOrEqual(5_000);
      expect((await unary.modelInfer({ id: "time" })).id).toBe("none");
      expect((await unary.modelInfer({ id: "time" }, { timeoutMs: 0 })).id).toBe("none");
    });
  });

  test(`interceptors on both sides see all of a service over ${kind.name}`, async () => {
    const seen: string[] = [];
    const way = await kind.open([tracer("outer", seen), tracer("inner", seen)]);
    try {
      const transport = way.transport([tracer("first", seen), tracer("second", seen)]);
      let header = new Headers();
      let trailer = new Headers();
      const options = { onHeader: (got: Headers) => header = got, onTrailer: (got: Headers) => trailer = got };
      await createClient(GRPCInferenceService, transport).modelInfer({}, options);
      expect(seen.splice(0)).toEqual(["first", "second", "outer", "inner"].map((name) => `${name} unary ModelInfer`));
      expect(header.get("x-answer")).toBe("first, second, outer, inner, heard");
      for (const name of ["first", "second", "outer", "inner"]) expect(header.get(`x-${name}`)).toBe("passed");
      expect(trailer.get("x-end")).toBe("over");

      const items = await collect(createClient(OperatorService, transport).inferStream({ modelName: "2" }, options));
      expect(items.map(({ id }) => id)).toEqual(["0", "1"]);
      for (const name of ["first", "second", "outer", "inner"]) {
        expect(seen.filter((line) => line.startsWith(name))).toEqual(
          [`${name} stream InferStream`, `${name} item`, `${name} item`, `${name} end`],
        );
      }
      expect(trailer.get("x-end")).toBe("over");
      const error = await failure(createClient(GRPCInferenceService, transport).modelInfer({ id: "fail", modelName: "typed" }));
      expect(error.findDetails(ErrorDetailSchema)).toEqual([detail]);
      expect(error.metadata.get("x-why")).toBe("because");
    } finally {
      await way.close();
    }
  });
}
