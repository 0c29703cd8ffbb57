// Operators in processes of their own that feed each other: what the test itself runs on makes no difference.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { GRPCInferenceService } from "../../gen/inference/grpc_service_pb.ts";
import { type Client, Code, isRemoteTensor, Tensor } from "../../mod.ts";
import { operatorRoute } from "../../src/rpc/route.ts";
import { BusTransport } from "../../src/rpc/transport.ts";
import { decodeOutputs, encodeInferRequest, encodeParameters, inferCodecs } from "../../src/tensor/mod.ts";
import { Troubled } from "../failures/troubled.ts";
import { collect, failure, gate } from "../support/waiting.ts";

let world: Troubled;
beforeAll(async () => {
  world = await Troubled.start({ maxPayloadBytes: 2 ** 20 });
});
afterEach(() => world.clear());
afterAll(() => world.stop());

/** A worker process for each operator. */
async function serving(...operators: string[]): Promise<Client> {
  await Promise.all(operators.map((operator) => {
    const env = { WAYBILL_OPERATORS: JSON.stringify([operator]) };
    return world.worker("bun", undefined, { file: "test/fixtures/end-to-end/worker.ts", env });
  }));
  return await world.client();
}

describe("operators that feed each other", () => {
  test("[WK1] answer what all of them computed, by reference and inline", async () => {
    const client = await serving("add", "multiply", "divide", "orchestrate");
    const served = await client.serveTensors();
    const [a, b] = [BigInt64Array.from([20n, 2n ** 60n, -7n]), BigInt64Array.from([4n, 2n, 3n])];
    const sum = a.map((value, i) => value + b[i]!);
    const wanted = {
      add_result: sum,
      multiply_result: sum.map((value, i) => BigInt.asIntN(64, value * b[i]!)),
      divide_result: sum.map((value, i) => value / b[i]!),
    };
    for (const inline of [false, true]) {
      for (let request = 0; request < 2; request++) {
        const outputs = await client.operator("orchestrate", { inline }).infer({ a, b }, { parameters: { inline } });
        expect(Object.keys(outputs).sort()).toEqual(Object.keys(wanted).sort());
        for (const [name, tensor] of Object.entries(outputs)) {
          expect(isRemoteTensor(tensor)).toBe(!inline);
          expect([...(await tensor!.fetch()).data]).toEqual([...wanted[name as keyof typeof wanted]]);
          if (isRemoteTensor(tensor)) await tensor.release();
        }
      }
    }
    // Nothing is left that somebody still holds.
    const startedAt = performance.now();
    await served.store.close({ waitForReleaseMs: 5_000 });
    expect([served.store.describe().leakedLeases, performance.now() - startedAt < 5_000]).toEqual([0, true]);
  });

  test("[WK4] stream what the last of four makes of ten tokens, in order, and end", async () => {
    const client = await serving("preprocess", "context", "generate", "postprocess");
    const texts: string[] = [];
    const prompt = Tensor.from("BYTES", ["Ask"]);
    for await (const { text } of client.operator("postprocess").stream({ prompt }, { parameters: { tokens: 10 } })) {
      texts.push(((await text!.fetch()) as Tensor<"BYTES">).strings()[0]!);
    }
    expect(texts).toEqual([..."ABCDEFGHIJK"]);
  });
});

describe("KServe's bidirectional stream", () => {
  const streamOf = (client: Client, operator: string, mode?: "direct") => {
    const { caller } = client;
    const route = operatorRoute(caller.subjects, operator, { mode });
    return createClient(GRPCInferenceService, new BusTransport({ caller, route, codecs: inferCodecs }));
  };
  const prompt = (id: number, name = "postprocess") =>
    encodeInferRequest({
      modelName: name,
      id: `${id}`,
      parameters: encodeParameters({ tokens: 3 }),
      inputs: [["prompt", Tensor.from("BYTES", ["Ask"])]],
    });

  test("[WK5] answers each of ten requests by all that the chain makes of it, before the next is sent", async () => {
    const client = await serving("preprocess", "context", "generate", "postprocess");
    for (const mode of [undefined, "direct"] as const) {
      let answered = gate();
      const requests = async function* () {
        for (let id = 0; id < 10; id++) {
          yield prompt(id);
          await answered.promise;
          answered = gate();
        }
      };
      const texts: string[][] = Array.from({ length: 10 }, () => []);
      for await (const { errorMessage, inferResponse } of streamOf(client, "postprocess", mode).modelStreamInfer(requests())) {
        expect(errorMessage).toBe("");
        const of = texts[Number(inferResponse!.id)]!;
        of.push((decodeOutputs(inferResponse!).text as Tensor<"BYTES">).strings()[0]!);
        if (of.length === 4) answered.open();
      }
      expect(texts).toEqual(Array.from({ length: 10 }, () => ["A", "B", "C", "D"]));
    }
  });

  test("answers a request that fails by its error, and goes on with the next", async () => {
    const client = await serving("preprocess");
    const requests = async function* () {
      yield prompt(1, "preprocess");
      yield encodeInferRequest({ modelName: "preprocess", id: "2", inputs: [] });
      yield prompt(3, "preprocess");
    };
    const answers = await collect(streamOf(client, "preprocess").modelStreamInfer(requests()));
    expect(answers.map(({ inferResponse }) => inferResponse?.id)).toEqual(["1", "2", "3"]);
    expect(answers[1]?.errorMessage).toContain('operator "preprocess"');
    expect(answers[2]?.errorMessage).toBe("");
  });
});

describe("an identity operator", () => {
  test("[WK6] gives back 10, 100 and 500 kB a hundred times, inline and by reference, and its latencies are reported", async () => {
    const client = await serving("echo");
    await client.serveTensors();
    for (const kilobytes of [10, 100, 500]) {
      const input = Tensor.from("UINT8", Uint8Array.from({ length: kilobytes * 1_000 }, (_, i) => i * 13));
      for (const inline of [true, false]) {
        const echo = client.operator("echo", { inline });
        const latenciesMs: number[] = [];
        for (let round = 0; round < 100; round++) {
          const startedAt = performance.now();
          const { x } = await echo.infer({ x: input });
          const { bytes } = await x!.fetch();
          latenciesMs.push(performance.now() - startedAt);
          if (isRemoteTensor(x)) await x.release();
          if (round % 10 === 0) expect(Buffer.compare(bytes, input.bytes)).toBe(0);
          expect(bytes.length).toBe(input.byteLength);
        }
        latenciesMs.sort((a, b) => a - b);
        const at = (part: number) => latenciesMs[Math.floor(latenciesMs.length * part)]!.toFixed(2);
        console.log(`${kilobytes} kB ${inline ? "inline" : "by reference"}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
      }
    }
  });
});

describe("a deadline", () => {
  test("[C7] that passes in the middle of a stream ends it on both sides", async () => {
    const worker = await world.worker();
    const client = await world.client();
    let pieces = 0;
    const reading = (async () => {
      const parameters = { count: 3, hangAfter: 1 };
      for await (const _ of client.operator("pieces").stream({}, { parameters, timeoutMs: 1_000 })) pieces++;
    })();
    expect((await failure(reading)).code).toBe(Code.DeadlineExceeded);
    expect(pieces).toBe(2);
    await worker.waitFor(/@aborted/);
  });
});
