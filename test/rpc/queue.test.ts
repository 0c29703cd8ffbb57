import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelInferRequestSchema } from "../../gen/inference/grpc_service_pb.ts";
import { connectBus } from "../../src/bus/connect.ts";
import { errorDetail } from "../../src/rpc/error.ts";
import { encodeCallerFrame, FRAME_HEADER } from "../../src/rpc/frame.ts";
import { CancelJanitor } from "../../src/rpc/queue/cancel-janitor.ts";
import { callApi, type StreamInfo } from "../../src/rpc/queue/jetstream-api.ts";
import type { Broker } from "../../src/testing/nats-server.ts";
import { until } from "../support/program.ts";
import { aborted, failure, gate, pause } from "../support/waiting.ts";
import { QueueWorld, startBroker } from "./queue-world.ts";

let broker: Broker;
const worlds: QueueWorld[] = [];

beforeAll(async () => {
  broker = await startBroker();
});
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});
afterAll(() => broker.stop());

async function world(options: Parameters<typeof QueueWorld.join>[1] = {}): Promise<QueueWorld> {
  const joined = await QueueWorld.join(broker, options);
  worlds.push(joined);
  return joined;
}

function textOf(payload: Uint8Array): string {
  return fromBinary(ModelInferRequestSchema, payload).id;
}

describe("a queued request", () => {
  test("waits in the broker until a worker comes, and leaves the queue when it is answered", async () => {
    const w = await world();
    const caller = await w.caller();
    const answer = caller.infer("hello");
    await until("it is stored", async () => await w.stored() === 1);
    await w.worker({ infer: (text) => `${text}!` });
    expect(await answer).toBe("hello!");
    await until("it is acknowledged", async () => await w.stored() === 0);
  });

  test("goes to another worker as attempt 2 when its worker dies", async () => {
    const w = await world();
    const caller = await w.caller();
    const taken = gate();
    const first = await w.worker({ infer: (_, context) => (taken.open(), aborted(context.signal)) });
    const answer = caller.inferInfo("x");
    await taken.promise;
    await first.crash();
    const second = await w.worker({ infer: () => "again" });
    expect(await answer).toEqual({ text: "again", attempt: 2, instance: second.server.instance });
  });

  test("is given up after maxAttempts: its payload and the reason go to the dead letters, its caller is told", async () => {
    const w = await world({ maxAttempts: 2 });
    const caller = await w.caller();
    const answer = failure(caller.infer("poison"));
    for (let attempt = 1; attempt <= 2; attempt++) {
      const taken = gate();
      const worker = await w.worker({ infer: (_, context) => (taken.open(), aborted(context.signal)) });
      await taken.promise;
      await worker.crash();
    }
    let executed = 0;
    await w.worker({ infer: () => `${++executed}` });
    const error = await answer;
    expect(error.code).toBe(Code.Aborted);
    expect(errorDetail(error)).toMatchObject({ reason: "MAX_ATTEMPTS", operator: "op", attempt: 2 });
    expect(executed).toBe(0);
    const [letter] = await w.deadLetters();
    expect(letter?.reason).toBe("MAX_ATTEMPTS");
    expect(textOf(letter!.payload)).toBe("poison");
    await until("it is terminated", async () => await w.stored() === 0);
  });

  test("that execute throws for is answered and spends no other attempt", async () => {
    const w = await world();
    const caller = await w.caller();
    let executed = 0;
    await w.worker({ infer: () => (executed++, Promise.reject(new Error("no"))) });
    expect((await failure(caller.infer("x"))).code).toBe(Code.Internal);
    await pause(2_000);
    expect(executed).toBe(1);
    expect(await w.stored()).toBe(0);
  });

  test("whose answer and error do not fit the broker is answered by a short error", async () => {
    const w = await world();
    const caller = await w.caller();
    await w.worker({
      infer: (text) => {
        if (text === "answer") return "x".repeat(2 * 1024 * 1024);
        throw new ConnectError("e".repeat(2 * 1024 * 1024), Code.Aborted);
      },
    });
    const large = await failure(caller.infer("answer"));
    expect(large.code).toBe(Code.ResourceExhausted);
    expect(large.rawMessage).toMatch(/takes 20971\d\d bytes, more than the broker's 104\d{4}/);
    const long = await failure(caller.infer("error"));
    expect([long.code, long.rawMessage.slice(0, 3)]).toEqual([Code.Aborted, "eee"]);
  });

  test("[C5] is not executed when its deadline passed in the queue, and its caller knows", async () => {
    const w = await world();
    const caller = await w.caller();
    const error = await failure(caller.infer("late", { timeoutMs: 300 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
    const executed: string[] = [];
    await w.worker({ infer: (text) => (executed.push(text), text) });
    await until("it is dropped", async () => await w.stored() === 0);
    expect(executed).toEqual([]);
    expect(await w.deadLetters()).toEqual([]);
  });

  test("that was posted goes to the dead letters when its deadline passed in the queue", async () => {
    const w = await world();
    const caller = await w.caller();
    await caller.post("late", { timeoutMs: 100 });
    await pause(150);
    const executed: string[] = [];
    await w.worker({ infer: (text) => (executed.push(text), text) });
    await until("it is a dead letter", async () => (await w.deadLetters()).length === 1);
    const [letter] = await w.deadLetters();
    expect([letter?.reason, textOf(letter!.payload)]).toEqual(["EXPIRED", "late"]);
    expect(executed).toEqual([]);
  });

  test("does not stall its worker when many expired ones lie before it", async () => {
    const w = await world();
    const caller = await w.caller();
    await Promise.all(Array.from({ length: 20 }, () => caller.post("late", { timeoutMs: 50 })));
    await pause(100);
    await w.worker({ maxInflight: 2 });
    expect(await caller.infer("x", { timeoutMs: 5_000 })).toBe("x");
  });

  test("that is canceled before a worker has a slot for it is deleted", async () => {
    const w = await world();
    const caller = await w.caller();
    const hold = gate();
    const executed: string[] = [];
    await w.worker({ maxInflight: 1, infer: async (text) => (executed.push(text), await hold.promise, text) });
    const first = caller.infer("first");
    await until("the first runs", () => executed.length === 1);
    const stop = new AbortController();
    const second = failure(caller.infer("second", { signal: stop.signal }));
    await until("the second is stored", async () => await w.stored() === 2);
    stop.abort();
    expect((await second).code).toBe(Code.Canceled);
    await until("the second is deleted", async () => await w.stored() === 1);
    hold.open();
    expect(await first).toBe("first");
    expect(executed).toEqual(["first"]);
  });

  test("is not deleted by a cancel that names another caller or another call", async () => {
    const w = await world();
    const caller = await w.caller();
    const hold = gate();
    await w.worker({ maxInflight: 1, infer: async (text) => (await hold.promise, text) });
    const first = caller.infer("first");
    await until("the first is stored", async () => await w.stored() === 1);
    const second = caller.infer("second");
    await until("the second is stored", async () => await w.stored() === 2);
    const hostile = await connectBus(broker.tcpUrl);
    for (const [id, call] of [["hostile", "call"], [caller.caller.id, "call"], ["hostile", caller.caller.id]] as const) {
      for (let seq = 0; seq <= 3; seq++) {
        const frame = encodeCallerFrame({
          ...{ kind: "cancel", codec: "proto", caller: id, call, seq, timeoutMs: 0, creditItems: 0, creditBytes: 0 },
          ...{ base: 0, once: false, method: "", trace: "" },
        });
        hostile.publish(w.subjects.everyInstance("op"), new Uint8Array(0), { headers: { [FRAME_HEADER]: frame } });
      }
    }
    await hostile.flush();
    await pause(300);
    expect(await w.stored()).toBe(2);
    hold.open();
    expect(await Promise.all([first, second])).toEqual(["first", "second"]);
    await hostile.close();
  });

  test("that was canceled while no worker was there is never run", async () => {
    const w = await world();
    const caller = await w.caller();
    const [numbered, hasty] = [new AbortController(), new AbortController()];
    const canceled = failure(caller.infer("canceled", { signal: numbered.signal }));
    await until("it is stored", async () => await w.stored() === 1);
    numbered.abort();
    // Before it can know that it is stored.
    const early = failure(caller.infer("early", { signal: hasty.signal }));
    hasty.abort();
    await Promise.all([canceled, early]);
    const executed: string[] = [];
    const kept = caller.infer("kept");
    await until("all are stored", async () => await w.stored() === 3);
    // It cannot say it again.
    await caller.caller.bus.flush();
    await w.worker({ infer: (text) => (executed.push(text), text) });
    expect(await kept).toBe("kept");
    await until("none is left", async () => await w.stored() === 0);
    expect(executed).toEqual(["kept"]);
  });
});

describe("a canceled request of an operator that nobody serves", () => {
  test("is deleted by the janitor, and by nobody for a cancel that another caller wrote", async () => {
    const w = await world();
    const caller = await w.caller();
    const janitor = new CancelJanitor(w.control, w.subjects);
    try {
      const stop = new AbortController();
      const canceled = failure(caller.infer("canceled", { signal: stop.signal }));
      await until("it is stored", async () => await w.stored() === 1);
      const kept = caller.infer("kept");
      await until("both are stored", async () => await w.stored() === 2);
      const frame = encodeCallerFrame({
        ...{ kind: "cancel", codec: "proto", caller: caller.caller.id, call: "x", seq: 2, timeoutMs: 0 },
        ...{ creditItems: 0, creditBytes: 0, base: 0, once: false, method: "", trace: "" },
      });
      const subject = w.subjects.canceled("op", "hostile", "x");
      w.control.publish(subject, new Uint8Array(0), { headers: { [FRAME_HEADER]: frame } });
      stop.abort();
      await canceled;
      await until("one is deleted", async () => await w.stored() === 1);
      const cancels = async () => (await callApi<StreamInfo>(w.control, `STREAM.INFO.${w.subjects.callStream()}`)).state;
      await until("no cancel is left", async () => (await cancels()).messages === 0);
      await w.worker({});
      expect(await kept).toBe("kept");
    } finally {
      await janitor.close();
    }
  });
});

describe("a queue", () => {
  test("that is full refuses with resource_exhausted", async () => {
    const w = await world({ maxQueuedMessages: 3n });
    const caller = await w.caller();
    for (let i = 0; i < 3; i++) await caller.post(`${i}`);
    const error = await failure(caller.infer("one too many"));
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(errorDetail(error)?.reason).toBe("QUEUE_FULL");
    const bytes = await world({ maxQueuedBytes: 4_096n });
    const other = await bytes.caller();
    expect((await failure(other.infer("x".repeat(8_192)))).code).toBe(Code.ResourceExhausted);
  });

  test("keeps 1,000 posted requests for a worker that is still to come", async () => {
    const w = await world();
    const caller = await w.caller();
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => caller.post(`${i}`)));
    expect(await w.stored()).toBe(1_000);
    const executed = new Set<string>();
    await w.worker({ maxInflight: 16, infer: (text) => (executed.add(text), text) });
    await until("all are executed", () => executed.size === 1_000, 30_000);
    await until("all are acknowledged", async () => await w.stored() === 0);
  });

  test("executes two requests with the same idempotency key once, and says so of the second", async () => {
    const w = await world();
    const caller = await w.caller();
    const executed: string[] = [];
    await w.worker({ infer: (text) => (executed.push(text), text) });
    expect(await caller.infer("first", { idempotencyKey: "k" })).toBe("first");
    const error = await failure(caller.infer("second", { idempotencyKey: "k" }));
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.AlreadyExists, "DUPLICATE"]);
    await caller.post("third", { idempotencyKey: "k" });
    const another = await w.caller();
    expect(await another.infer("another caller's", { idempotencyKey: "k" })).toBe("another caller's");
    expect(executed).toEqual(["first", "another caller's"]);
  });

  test("takes requests without a version for the default one, and none for a version that is not declared", async () => {
    const w = await world({ versions: ["1", "2"], defaultVersion: "2" });
    const caller = await w.caller({
      operatorWaitMs: 200,
      lookUp: ({ version }) => Promise.resolve({ known: version !== "7", missing: 'its version must be one of "1", "2"' }),
    });
    await w.worker({ version: "1", infer: (text) => `${text} by 1` });
    await w.worker({ version: "2", infer: (text) => `${text} by 2` });
    expect(await caller.infer("x")).toBe("x by 2");
    expect(await caller.infer("x", { version: "1" })).toBe("x by 1");
    expect(await caller.infer("x", { version: "2" })).toBe("x by 2");
    const error = await failure(caller.infer("x", { version: "7" }));
    expect(error.code).toBe(Code.NotFound);
    expect(error.rawMessage).toContain('its version must be one of "1", "2"');
    expect(await w.stored()).toBe(0);
  });

  test("with priorities is swept from the highest, and takes no level that is not declared", async () => {
    const w = await world({ priorities: 3 });
    const caller = await w.caller({ operatorWaitMs: 200, lookUp: () => Promise.resolve({ known: true }) });
    for (const priority of [0, 2, 1, 0, 2, 1]) await caller.post(`${priority}`, { priority });
    const executed: string[] = [];
    await w.worker({ maxInflight: 1, infer: (text) => (executed.push(text), text) });
    await until("all are executed", () => executed.length === 6);
    expect(executed).toEqual(["2", "2", "1", "1", "0", "0"]);
    const wakes = performance.now();
    expect(await caller.infer("woken", { priority: 1 })).toBe("woken");
    expect(performance.now() - wakes).toBeLessThan(2_000);
    expect((await failure(caller.infer("x", { priority: 3 }))).code).toBe(Code.Unavailable);
    expect(await w.stored()).toBe(0);
  });

  test("at-most-once is not executed again when its worker dies, and fails unavailable", async () => {
    const w = await world();
    const caller = await w.caller();
    const taken = gate();
    const first = await w.worker({ infer: (_, context) => (taken.open(), aborted(context.signal)) });
    const answer = failure(caller.infer("x", { mode: "at-most-once" }));
    await taken.promise;
    await until("it is acknowledged", async () => await w.stored() === 0);
    await pause(1_200);
    await first.crash();
    let executed = 0;
    await w.worker({ infer: () => `${++executed}` });
    expect((await answer).code).toBe(Code.Unavailable);
    expect(executed).toBe(0);
  });

  test("does not deliver a many-frame answer again when its worker dies after the first frame", async () => {
    const w = await world();
    const caller = await w.caller();
    let executed = 0;
    const stream = async function* (_: string, context: { signal: AbortSignal }) {
      executed++;
      yield "one";
      await aborted(context.signal);
    };
    const first = await w.worker({ stream });
    const items = caller.stream("x");
    expect((await items.next()).value).toBe("one");
    expect(await w.stored()).toBe(0);
    await first.crash();
    await w.worker({ stream });
    const started = performance.now();
    const error = await failure(items.next());
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "INSTANCE_LOST"]);
    expect(performance.now() - started).toBeLessThan(8_000);
    expect(executed).toBe(1);
  });
});
