import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { connect, infoOf, operator, type RemoteTensor, Tensor } from "../../mod.ts";
import type { Client, OperatorContext } from "../../mod.ts";
import { launchNatsServer, startFakeDeployment } from "../../src/testing/mod.ts";
import { startWorker } from "../../src/worker/mod.ts";
import { until } from "../support/program.ts";
import { aborted, collect, failure } from "../support/waiting.ts";

const ended: string[] = [];
let latest: OperatorContext;

/** Lasts until it is aborted, and notes that. */
async function hang(name: string, { signal }: OperatorContext): Promise<Record<string, never>> {
  ended.push(`${name} runs`);
  await aborted(signal).catch(() => {});
  ended.push(`${name} ends`);
  return {};
}

const number = (value: number) => ({ n: Tensor.from("INT32", [value]) });

const operators = [
  operator({
    name: "note",
    execute: (_, context) => {
      latest = context;
      context.logger.info("Noted", { own: 1 });
      return { ...number(context.attempt) };
    },
  }),
  operator({ name: "hang", maxInflight: 64, execute: (_, context) => hang("hang", context) }),
  operator({
    name: "parent",
    execute: async (_, context) => {
      ended.push("parent runs");
      return await context.call("hang").infer({}).finally(() => ended.push("parent ends"));
    },
  }),
  operator({
    name: "slow",
    maxInflight: 64,
    execute: async (_, context) => {
      const left = context.remainingMs;
      const { left: childLeft } = await context.call("left").infer({});
      return { left: Tensor.from("FP64", [left]), childLeft };
    },
  }),
  operator({ name: "left", execute: (_, context) => ({ left: Tensor.from("FP64", [context.remainingMs]) }) }),
  operator({
    name: "keeper",
    execute: async (_, context) => {
      const child = context.call<Record<string, never>, { a: RemoteTensor; b: RemoteTensor }>("maker", { inline: false });
      const { a } = await child.infer({});
      return { a };
    },
  }),
  operator({
    name: "maker",
    execute: () => ({ a: Tensor.from("UINT8", new Uint8Array(1_000)), b: Tensor.from("UINT8", new Uint8Array(1_000)) }),
  }),
  operator({
    name: "count",
    async *execute({ parameters }) {
      for (let i = 0; i < Number(parameters.count ?? 3); i++) yield number(i);
    },
  }),
  operator({
    name: "hop",
    maxInflight: 64,
    execute: (request, context) => {
      const { to = "note", mode = "queue", version } = request.parameters;
      const options = { mode: mode as "queue" | "direct", version: version as number | undefined };
      return context.delegate(String(to), options);
    },
  }),
  operator({
    name: "tell",
    execute: async (_, context) => {
      await context.events.publish("requests.seen", { request: context.requestId });
      return {};
    },
  }),
  operator({ name: "hop twice", execute: (_, context) => context.delegate("hop") }),
];

for (const [where, start] of [["memory", startInMemory], ["a broker", startWithBroker]] as const) {
  describe(`the context of a request over ${where}`, () => {
    const logs: { message: string; fields?: Record<string, unknown> }[] = [];
    let site: { client: Client; close(): Promise<void> };
    beforeAll(async () => {
      site = await start((message, fields) => void logs.push({ message, fields }));
    });
    afterAll(() => site.close());

    test("tells attempt, request id and deadline, and logs with the request's facts", async () => {
      const outputs = await site.client.operator("note").infer({}, { timeoutMs: 5_000, headers: { "x-own": "header" } });
      expect(latest.attempt).toBe(1);
      expect(infoOf(outputs)?.attempt).toBe(1);
      expect(latest.callId).toMatch(/^[0-9a-f]{32}$/);
      expect(latest.requestId).toBe(latest.callId);
      const left = latest.deadline!.getTime() - Date.now();
      expect(left).toBeGreaterThan(3_000);
      expect(left).toBeLessThanOrEqual(5_001);
      expect(latest.requestHeader.get("x-own")).toBe("header");
      const { fields } = logs.find(({ message }) => message === "Noted")!;
      expect(fields).toMatchObject({
        own: 1,
        operator: "note",
        requestId: latest.requestId,
        callId: latest.callId,
        attempt: 1,
      });
      await site.client.operator("note").infer({}, { timeoutMs: Infinity });
      expect([latest.deadline, latest.remainingMs]).toEqual([undefined, Infinity]);
    });

    test("tells events as the instance that it runs in", async () => {
      const subscription = await site.client.events.subscribe("requests");
      const outputs = await site.client.operator("tell").infer({});
      const event = await subscription.next({ timeoutMs: 5_000 });
      expect(event.component).toBe(String(infoOf(outputs)?.instance));
      expect(event.json<{ request: string }>().request).toMatch(/^[0-9a-f]{32}$/);
      await subscription.close();
    });

    test("ends what it calls, when its caller cancels and when its deadline passes", async () => {
      ended.length = 0;
      const stop = new AbortController();
      const canceled = failure(site.client.operator("parent").infer({}, { signal: stop.signal }));
      await until("the child runs", () => ended.includes("hang runs"));
      stop.abort();
      expect((await canceled).code).toBe(Code.Canceled);
      await until("both have ended", () => ended.includes("hang ends") && ended.includes("parent ends"));
      ended.length = 0;
      expect((await failure(site.client.operator("parent").infer({}, { timeoutMs: 300 }))).code).toBe(Code.DeadlineExceeded);
      await until("both have ended", () => ended.includes("hang ends") && ended.includes("parent ends"));
    });

    test("gives what it calls no more time than it has itself", async () => {
      const { left, childLeft } = await site.client.operator("slow").infer({}, { timeoutMs: 4_000 });
      const [own, child] = [left, childLeft].map((tensor) => Number((tensor as Tensor<"FP64">).data[0]));
      expect(own).toBeLessThanOrEqual(4_000);
      expect(child).toBeLessThanOrEqual(own!);
      expect(child).toBeGreaterThan(2_000);
    });

    test("releases what its calls answered by reference and what it does not pass on", async () => {
      const { a } = await site.client.operator("keeper").infer({}, { inline: false });
      expect((await a!.fetch()).byteLength).toBe(1_000);
    });

    test("hands the request on, stored or directly, once or twice: the last one answers", async () => {
      for (const mode of ["queue", "direct"]) {
        const outputs = await site.client.operator("hop").infer({}, { parameters: { mode }, id: "mine" });
        expect((outputs.n as Tensor<"INT32">).data[0]).toBe(2);
        expect(infoOf(outputs)).toMatchObject({ attempt: 2, id: "mine" });
      }
      const outputs = await site.client.operator("hop twice").infer({});
      expect(infoOf(outputs)?.attempt).toBe(3);
      const direct = await site.client.operator("hop", { mode: "direct" }).infer({}, { parameters: { mode: "direct" } });
      expect(infoOf(direct)?.attempt).toBe(2);
    });

    test("hands a request for many answers on", async () => {
      for (const mode of ["queue", "direct"]) {
        const items = site.client.operator("hop").stream({}, { parameters: { to: "count", count: 3, mode } });
        expect((await collect(items)).map(({ n }) => (n as Tensor<"INT32">).data[0])).toEqual([0, 1, 2]);
      }
    });

    test("hands a posted request on", async () => {
      await site.client.operator("hop").post({}, { parameters: { to: "hang" }, timeoutMs: 200 });
      ended.length = 0;
      await until("it has ended", () => ended.includes("hang ends"));
    });

    test("reaches the one that has the request now with a cancel", async () => {
      for (const mode of ["queue", "direct"]) {
        ended.length = 0;
        const stop = new AbortController();
        const parameters = { to: "hang", mode };
        const answer = failure(site.client.operator("hop").infer({}, { parameters, signal: stop.signal }));
        await until("the delegate runs", () => ended.includes("hang runs"));
        stop.abort();
        expect((await answer).code).toBe(Code.Canceled);
        await until("the delegate has ended", () => ended.includes("hang ends"));
      }
    });

    test("ends the one that has the request now at the caller's deadline", async () => {
      ended.length = 0;
      const options = { parameters: { to: "hang" }, timeoutMs: 300 };
      expect((await failure(site.client.operator("hop").infer({}, options))).code).toBe(Code.DeadlineExceeded);
      await until("the delegate has ended", () => ended.includes("hang ends"));
    });

    test("fails the request where it cannot be handed on", async () => {
      const parameters = { to: "nobody", mode: "direct" };
      const error = await failure(site.client.operator("hop").infer({}, { parameters }));
      expect(error.code).toBe(Code.Unavailable);
    });
  });
}

type Log = (message: string, fields?: Record<string, unknown>) => void;

async function startInMemory(info: Log): Promise<{ client: Client; close(): Promise<void> }> {
  return await startFakeDeployment({ operators, logger: loggerOf(info) });
}

async function startWithBroker(info: Log): Promise<{ client: Client; close(): Promise<void> }> {
  const broker = await launchNatsServer({ maxMemoryBytes: 2 ** 40 });
  const worker = await startWorker({ operators, servers: broker.tcpUrl, tensors: { http: false }, logger: loggerOf(info) });
  const client = await connect(broker.tcpUrl);
  const close = async () => {
    await client.close();
    await worker.drain({ drainMs: 1_000 });
    await broker.stop();
  };
  return { client, close };
}

function loggerOf(info: Log) {
  return { debug() {}, info, warn() {}, error() {} };
}
