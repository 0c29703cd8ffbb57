import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { GRPCInferenceService } from "../../gen/inference/grpc_service_pb.ts";
import { type Client, connect, errorDetail, infoOf, operator, Tensor } from "../../mod.ts";
import { operatorRoute } from "../../src/rpc/route.ts";
import { BusTransport } from "../../src/rpc/transport.ts";
import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { startWorker, type Worker } from "../../src/worker/mod.ts";
import { until } from "../support/program.ts";
import { collect, failure, gate } from "../support/waiting.ts";

const seen: string[] = [];

const operators = [
  operator({
    name: "times",
    execute: async ({ inputs, parameters }) => {
      const [n] = (await inputs.n!.fetch()).toNumbers();
      if (n === 13) throw new ConnectError("No thirteens", Code.OutOfRange);
      return { n: Tensor.from("INT32", [n! * Number(parameters.by ?? 2)]) };
    },
  }),
  operator({
    name: "down",
    execute: async function* ({ inputs }) {
      const [n] = (await inputs.n!.fetch()).toNumbers();
      for (let i = n!; i > 0; i--) yield { n: Tensor.from("INT32", [i]) };
    },
  }),
  operator({ name: "handing", execute: (_, context) => context.delegate("times") }),
  operator({ name: "old", version: "1", execute: () => ({ v: Tensor.from("BYTES", ["old"]) }) }),
  operator({ name: "old", version: "2", execute: () => ({ v: Tensor.from("BYTES", ["new"]) }) }),
];

async function* numbers(...given: number[]): AsyncGenerator<{ n: Int32Array }> {
  try {
    for (const n of given) yield { n: Int32Array.of(n) };
  } finally {
    seen.push("left");
  }
}

describe("a stream of inputs", () => {
  let broker: Broker;
  let worker: Worker;
  let client: Client;
  beforeAll(async () => {
    broker = await launchNatsServer();
    worker = await startWorker({ servers: broker.tcpUrl, operators });
    client = await connect(broker.tcpUrl, { operatorWaitMs: 300 });
  });
  afterAll(async () => {
    await client.close();
    await worker.close();
    await broker.stop();
  });

  async function answers(outputs: AsyncIterable<Record<string, { fetch(): Promise<Tensor> }>>): Promise<number[]> {
    const all = await collect(outputs);
    return (await Promise.all(all.map(async ({ n }) => (await n!.fetch()).toNumbers()))).flat();
  }

  test("is answered input by input, through the queue, directly and by one instance", async () => {
    for (const options of [{}, { mode: "direct" }, { mode: "at-most-once" }, { instance: worker.instance }] as const) {
      const outputs = client.operator("times", options).stream(numbers(1, 2, 3), { parameters: { by: 5 } });
      expect(await answers(outputs)).toEqual([5, 10, 15]);
    }
  });

  test("may be empty, long, and answered many times an input", async () => {
    expect(await answers(client.operator("times").stream(numbers()))).toEqual([]);
    const many = Array.from({ length: 500 }, (_, i) => i + 100);
    expect(await answers(client.operator("times").stream(numbers(...many)))).toEqual(many.map((n) => n * 2));
    expect(await answers(client.operator("down").stream(numbers(2, 0, 3)))).toEqual([2, 1, 3, 2, 1]);
  });

  test("is a conversation: the next input may be made of the last answer", async () => {
    let next = gate<number>();
    const inputs = async function* () {
      for (let n = 1; n < 50; n = await next.promise, next = gate()) yield { n: Int32Array.of(n) };
    };
    const got: number[] = [];
    for await (const { n } of client.operator("times").stream(inputs())) {
      got.push(...(await n!.fetch()).toNumbers());
      next.open(got.at(-1)!);
    }
    expect(got).toEqual([2, 4, 8, 16, 32, 64]);
  });

  test("carries tensors that fit no message", async () => {
    const large = async function* () {
      for (const bytes of [3, 1_500_000, 5]) yield { n: Tensor.from("INT32", [bytes, ...new Array(bytes / 4 | 0).fill(0)]) };
    };
    expect(await answers(client.operator("times").stream(large()))).toEqual([6, 3_000_000, 10]);
  });

  test("ends with the error of the input that failed, typed as ever, and lets its source go", async () => {
    seen.length = 0;
    const got: number[] = [];
    const error = await failure((async () => {
      for await (const { n } of client.operator("times").stream(numbers(1, 13, 2, 3))) {
        got.push(...(await n!.fetch()).toNumbers());
      }
    })());
    expect([error.code, error.rawMessage]).toEqual([Code.OutOfRange, "No thirteens"]);
    expect(got).toEqual([2]);
    await until("the source is let go", () => seen.includes("left"));
  });

  test("ends when its reader leaves, and lets its source go", async () => {
    seen.length = 0;
    const endless = async function* () {
      try {
        for (let n = 100;; n++) yield { n: Int32Array.of(n) };
      } finally {
        seen.push("left");
      }
    };
    for await (const { n } of client.operator("times").stream(endless())) {
      if ((await n!.fetch()).toNumbers()[0]! > 210) break;
    }
    await until("the source is let go", () => seen.includes("left"));
    await until("the worker is idle", () => worker.inflight === 0);
  });

  test("cannot be delegated", async () => {
    const error = await failure(collect(client.operator("handing").stream(numbers(1))));
    expect([error.code, error.rawMessage.slice(0, 38)]).toEqual([
      Code.FailedPrecondition,
      'Cannot delegate to operator "times": t',
    ]);
  });

  test("reaches the version that it asks for", async () => {
    for (const options of [{}, { mode: "direct" }, { instance: worker.instance }] as const) {
      for (const [version, text] of [["1", "old"], ["2", "new"]] as const) {
        const [outputs] = await collect(client.operator("old", { version, ...options }).stream(numbers(1)));
        expect((await outputs!.v!.fetch()).strings()).toEqual([text]);
        expect(infoOf(outputs!)?.instance).toBe(worker.instance);
      }
    }
  });

  test("is refused where nobody serves it", async () => {
    const error = await failure(collect(client.operator("nobody", { mode: "direct" }).stream(numbers(1))));
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.NotFound, "NOT_DECLARED"]);
  });

  test("is KServe's ModelStreamInfer, where a failed request is an answer and the stream goes on", async () => {
    const route = operatorRoute(client.caller.subjects, "times", { mode: "direct" });
    const kserve = createClient(GRPCInferenceService, new BusTransport({ caller: client.caller, route }));
    const requests = async function* () {
      for (const n of [4, 13, 6]) {
        yield {
          modelName: "times",
          id: `${n}`,
          inputs: [{ name: "n", datatype: "INT32", shape: [1n], contents: { intContents: [n] } }],
        };
      }
    };
    const responses = await collect(kserve.modelStreamInfer(requests()));
    expect(responses.map(({ errorMessage }) => errorMessage)).toEqual(["", "No thirteens", ""]);
    expect(responses.map(({ inferResponse }) => inferResponse?.id)).toEqual(["4", "13", "6"]);
    expect(responses.map(({ inferResponse }) => inferResponse?.rawOutputContents[0]?.[0])).toEqual([8, undefined, 12]);
  });
});
