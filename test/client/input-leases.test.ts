import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { type Client, connect, operator, Tensor } from "../../mod.ts";
import { neededMs } from "../../src/client/input-leases.ts";
import { nodeServiceSpec, TensorStore } from "../../src/data/mod.ts";
import { serve } from "../../src/rpc/serve.ts";
import { Subjects } from "../../src/rpc/subjects.ts";
import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { startWorker, type Worker } from "../../src/worker/mod.ts";
import { startProgram, until } from "../support/program.ts";
import { failure, type Gate, gate } from "../support/waiting.ts";

/** Requests that are being executed: each holds on to its inputs until the test lets it go. */
const executing: { sum: number; attempt: number; gate: Gate }[] = [];

const holder = (name: string) =>
  operator({
    name,
    maxInflight: 1,
    execute: async ({ inputs }, { attempt }) => {
      const { data } = await inputs.x!.fetch();
      const own = { sum: (data as Float32Array).reduce((sum, value) => sum + value, 0), attempt, gate: gate() };
      executing.push(own);
      await own.gate.promise;
      return {};
    },
  });
const operators = [
  holder("hold"),
  operator({ name: "hand on", fetchInputs: false, execute: (_, context) => context.delegate("hold") }),
  operator({
    name: "fail",
    execute: () => {
      throw new Error("It does not like them");
    },
  }),
];

let broker: Broker;
let worker: Worker;
let client: Client;
let store: TensorStore;
const closing: (() => Promise<unknown>)[] = [];

/** Short, so that a killed worker's request comes to the next one soon. */
const ackWaitMs = 1_500;
const ones = (length = 1_000) => ({ x: Tensor.from(new Float32Array(length).fill(1)) });
const startHolder = (own = operators) =>
  startWorker({ operators: own, servers: broker.tcpUrl, tensors: { http: false }, ackWaitMs });

beforeAll(async () => {
  broker = await launchNatsServer();
  worker = await startHolder();
  client = await connect(broker.tcpUrl, { operatorWaitMs: 500 });
  // A store whose leases are far shorter than a request may wait.
  store = new TensorStore({ node: "inputs", leaseMs: 300 });
  const { namespace, bus } = client;
  store.advertise([{ kind: "bus", namespace, node: store.node }]);
  const services = [nodeServiceSpec(store, { maxMessageBytes: bus.maxPayloadBytes })];
  const served = serve(bus, { namespace, instance: store.node, subject: new Subjects(namespace).node(store.node), services });
  client.data.addStore(store);
  const close = () => Promise.resolve();
  client.adoptStore({ store, node: store.node, ways: [], close, [Symbol.asyncDispose]: close });
  closing.push(() => served.close({ drainMs: 100 }), () => client.close(), () => worker.close(), () => broker.stop());
});
afterAll(async () => {
  for (const close of closing) await close();
});

const running = (count: number) => until(`${count} are executed`, () => executing.length === count);
const empty = () => until("nothing is leased", () => store.describe().leases === 0);
function letGo(): void {
  for (const { gate } of executing.splice(0)) gate.open();
}

describe("inputs that are stored for a request", () => {
  test("are there until its deadline, however long it waits in the queue", async () => {
    const hold = client.operator("hold", { inline: { x: false } });
    const first = hold.infer(ones(), { timeoutMs: 60_000 });
    await running(1);
    // Behind the first one, which takes longer than the store's leases last.
    const second = hold.infer(ones(2_000), { timeoutMs: 60_000 });
    await until("the second waits", () => store.describe().leases === 2);
    for (const { expiresAtMs } of store.list()) expect(expiresAtMs).toBeGreaterThan(Date.now() + 59_000);
    await new Promise((resolve) => setTimeout(resolve, 700));
    letGo();
    await first;
    await running(1);
    expect(executing[0]?.sum).toBe(2_000);
    letGo();
    await second;
    await empty();
  });

  test("of others are extended before it is sent", async () => {
    const remote = await client.put(ones().x);
    const calling = client.operator("hold").infer({ x: remote }, { timeoutMs: 90_000 });
    await running(1);
    const [lease] = store.list();
    expect(lease?.expiresAtMs).toBeGreaterThan(Date.now() + 85_000);
    letGo();
    await calling;
    // The caller's own: it stays.
    expect(store.describe().leases).toBe(1);
    await remote.release();
    await empty();
  });

  test("of what is posted are kept until that is acknowledged, then freed, though nobody waits for it", async () => {
    await client.operator("hold").post(ones(), { inline: false });
    await running(1);
    expect(store.describe()).toMatchObject({ leases: 1, leakedLeases: 0 });
    const [lease] = store.list();
    expect(lease?.once).toBe(true);
    // It has no deadline.
    expect(lease?.expiresAtMs).toBeGreaterThan(Date.now() + 23 * 3_600_000);
    letGo();
    await empty();
    await client.operator("fail").post(ones(), { inline: false });
    await empty();
    expect(store.describe().leakedLeases).toBe(0);
  });

  test("of a post that was sent before are freed at once", async () => {
    const post = () => client.operator("hold").post(ones(), { inline: false, idempotencyKey: "only-once" });
    await post();
    await running(1);
    await post();
    await until("the second one's is freed", () => store.describe().leases === 1);
    letGo();
    await empty();
    expect(executing).toEqual([]);
  });

  test("of a post that is refused are freed at once", async () => {
    const refused = await failure(client.operator("nobody").post(ones(), { inline: false }));
    expect(refused.code).toBe(Code.NotFound);
    await empty();
  });
});

describe("a tensor that is put for one request", () => {
  test("is freed when that is acknowledged, not when it is fetched", async () => {
    const once = await client.put(ones().x, { once: true });
    expect((await client.open(once.toDescriptorString()).fetch()).size).toBe(1_000);
    expect(store.describe().leases).toBe(1);
    const calling = client.operator("hold").infer({ x: once });
    await running(1);
    expect(store.describe().leases).toBe(1);
    letGo();
    await calling;
    await empty();
  });

  test("is there for another worker when the first one dies with the request", async () => {
    const doomed = startProgram("test/fixtures/doomed-worker.ts", [broker.tcpUrl, "outlive", String(ackWaitMs)]);
    await doomed.waitFor(/Ready/);
    const once = await client.put(ones().x, { once: true });
    const calling = client.operator("outlive").infer({ x: once });
    await doomed.waitFor(/Read FP32/);
    await doomed.kill();
    expect(store.describe().leases).toBe(1);
    const next = await startHolder([holder("outlive")]);
    await running(1);
    expect([executing[0]?.sum, executing[0]?.attempt, store.describe().leases]).toEqual([1_000, 2, 1]);
    letGo();
    await calling;
    await empty();
    await next.close();
  });

  test("is freed by whom the request was handed on to", async () => {
    const once = await client.put(ones().x, { once: true });
    const calling = client.operator("hand on").infer({ x: once });
    await running(1);
    expect(store.describe().leases).toBe(1);
    letGo();
    await calling;
    await empty();
  });
});

describe("how long inputs have to be there", () => {
  test("is whole milliseconds, also for what is left of a deadline", () => {
    expect(neededMs({ timeoutMs: 59_985.998177125 })).toBe(89_986);
    expect(neededMs({ once: true })).toBe(24 * 3_600_000 + 30_000);
  });
});
