// What ordinary programs do, as the users that a deployment gives them; the broker is the same under every runtime.
import { describe, expect, test } from "bun:test";
import { Code, connect, isRemoteTensor, Tensor } from "../../mod.ts";
import type { Client } from "../../src/client/client.ts";
import { callApi } from "../../src/rpc/queue/jetstream-api.ts";
import { until } from "../support/program.ts";
import { type GuardedWorld, withGuarded } from "./guarded.ts";

const x = Float32Array.of(1, 2);

async function refusals({ deployment }: GuardedWorld): Promise<string[]> {
  const { readFile } = await import("node:fs/promises");
  const log = await readFile(deployment.status().broker?.logFile ?? "", "utf8");
  return log.split("\n").filter((line) => line.includes("Violation"));
}

async function values(outputs: Promise<{ readonly y?: { fetch(): Promise<Tensor> } }>): Promise<number[]> {
  return Array.from((await (await outputs).y?.fetch())?.toNumbers() ?? [], Number);
}

async function* inputs(): AsyncGenerator<{ x: Float32Array }> {
  for (let n = 0; n < 3; n++) yield { x: Float32Array.of(n) };
}

/** Every way to call an operator and to end the call. */
async function callInEveryWay(client: Client, calls: readonly string[]): Promise<void> {
  const handle = client.operator("double");
  const [info] = (await client.operators()).filter(({ name }) => name === "double");
  const instance = info?.instances[0]?.id ?? "";
  for (const options of [{}, { mode: "direct" }, { mode: "at-most-once" }, { instance }] as const) {
    expect(await values(handle.infer({ x }, options))).toEqual([2, 4]);
  }
  await handle.post({ x });
  await handle.post({ x }, { mode: "direct" }).catch((error) => expect(error.code).toBe(Code.ResourceExhausted));
  await handle.infer({ x }, { idempotencyKey: crypto.randomUUID() });
  for (const options of [{}, { mode: "direct" }] as const) {
    const answers: number[] = [];
    for await (const { y } of handle.stream(inputs(), options)) answers.push(Number((await y?.fetch())?.data[0]));
    expect(answers).toEqual([0, 2, 4]);
  }
  if (calls.includes("count")) {
    const seen: number[] = [];
    for await (const { n } of client.operator("count").stream({})) seen.push(Number((await n?.fetch())?.data[0]));
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  }
  if (calls.includes("twice")) expect(await values(client.operator("twice").infer({ x }, { priority: 1 }))).toEqual([2, 4]);
  // Running; then one that waits for the only slot, which an instance deletes; then one that is past its deadline in the queue.
  for (const waitMs of [20_000, 600]) {
    const cancel = new AbortController();
    const running = handle.infer({ x }, { parameters: { waitMs }, signal: waitMs === 600 ? undefined : cancel.signal });
    const waiting = handle.infer({ x }, { timeoutMs: 200 });
    await expect(waiting).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    cancel.abort();
    if (waitMs === 600) await running;
    else await expect(running).rejects.toMatchObject({ code: Code.Canceled });
  }
  expect(await values(handle.infer({ x }))).toEqual([2, 4]);
}

describe("the users of a deployment's own broker", () => {
  test(
    "call in every way that they are granted, over TCP and websocket, and the broker refuses nothing meanwhile",
    async () => {
      await withGuarded(async (world) => {
        const { deployment, connectAs } = world;
        await callInEveryWay(await connectAs("client"), ["count", "twice"]);
        await callInEveryWay(await connectAs("web"), ["count"]);
        const page = await connect(deployment.clientUrls("web").slice(1), { namespace: "t" });
        expect(page.bus.kind).toBe("websocket");
        await callInEveryWay(page, ["count"]);
        await page.close();
        await callInEveryWay(await connectAs("quiet"), []);
        await callInEveryWay(await connectAs("worker"), ["count", "twice"]);
        await callInEveryWay(await connectAs("supervisor"), ["count", "twice"]);
        expect(await refusals(world)).toEqual([]);
        const web = await connectAs("web");
        expect(deployment.clientUrls("web").map((url) => new URL(url).username)).toEqual(["wb-client-web", "wb-client-web"]);
        await expect(web.operator("twice").infer({ x })).rejects.toMatchObject({
          code: Code.PermissionDenied,
          rawMessage: 'Cannot call operator "twice": the broker does not permit it to this user',
        });
        await expect(web.declare("mine")).rejects.toMatchObject({ code: Code.PermissionDenied });
      });
    },
    60_000,
  );

  test("pass tensors by reference over the bus, in both directions", async () => {
    await withGuarded(async (world) => {
      for (const who of ["client", "quiet"] as const) {
        const client = await world.connectAs(who);
        const large = Tensor.from(new Float32Array(400_000).fill(1));
        const uploaded = await client.put(large);
        const { y } = await client.operator("double").infer({ x: uploaded }, { inline: false });
        if (!isRemoteTensor(y)) throw new Error("The answer should have come by reference");
        expect((await y.fetch({ via: ["bus"] })).data[399_999]).toBe(2);
        await y.release();
        // Nobody reaches its tensors but over the bus.
        const served = await client.serveTensors({ http: false });
        expect(served.ways).toMatchObject([{ kind: "bus", node: expect.stringMatching(/^wb-client(-quiet)?\.[0-9a-f]{32}$/) }]);
        const own = await client.put(large);
        const answer = await client.operator("double").infer({ x: own }, { inline: false, timeoutMs: 20_000 });
        if (!isRemoteTensor(answer.y)) throw new Error("The answer should have come by reference");
        expect((await answer.y.fetch()).byteLength).toBe(1_600_000);
      }
      expect(await refusals(world)).toEqual([]);
    });
  }, 60_000);

  test("publish events under their own names and hear them, once each, where that is granted", async () => {
    await withGuarded(async (world) => {
      const [client, worker] = [await world.connectAs("client"), await world.connectAs("worker")];
      const [here, there] = [await client.events.subscribe(), await worker.events.subscribe()];
      await client.events.publish("jobs.begun", { id: 1 });
      await client.operator("twice").infer({ x });
      for (const subscription of [here, there]) {
        const first = await subscription.next({ timeoutMs: 5_000 });
        expect([first.component, first.topic]).toEqual(["wb-client", "jobs.begun"]);
        expect((await subscription.next({ timeoutMs: 5_000 })).topic).toEqual("done");
        expect(subscription.buffered).toBe(0);
      }
      const quiet = await world.connectAs("quiet");
      expect(await refusals(world)).toEqual([]);
      await expect(quiet.events.publish("jobs", 1)).rejects.toMatchObject({ code: Code.PermissionDenied });
      await expect(quiet.events.subscribe()).rejects.toMatchObject({ code: Code.PermissionDenied });
    });
  }, 60_000);

  test("find their answers after a lost connection, and leave dead letters to the supervisor", async () => {
    await withGuarded(async (world) => {
      const [client, supervisor] = [await world.connectAs("client"), await world.connectAs("supervisor")];
      const handle = client.operator("double");
      const running = handle.infer({ x }, { parameters: { waitMs: 1_500 }, timeoutMs: 30_000 });
      await handle.post({ x }, { timeoutMs: 100 });
      // Only core NATS carries answers: what was sent meanwhile is asked for again, by a probe.
      await until("both are stored", async () => (await queued(supervisor)) === 2);
      expect(await values(running)).toEqual([2, 4]);
      const info = await deadLetters(supervisor, 1);
      expect(info.state.messages).toBe(1);
      const { message } = await callApi<{ message: { subject: string } }>(supervisor.bus, "STREAM.MSG.GET.wb+t+dl", { seq: 1 });
      expect(message.subject).toBe("wb.t.dl.double");
      await callApi(supervisor.bus, "STREAM.MSG.DELETE.wb+t+dl", { seq: 1 });
      await deadLetters(supervisor, 0);
      expect(await refusals(world)).toEqual([]);
    });
  }, 60_000);
});

interface Stored {
  readonly state: { readonly messages: number };
}

async function queued(supervisor: Client): Promise<number> {
  return (await callApi<Stored>(supervisor.bus, "STREAM.INFO.wb+t+q+double")).state.messages;
}

async function deadLetters(supervisor: Client, count: number): Promise<Stored> {
  let info: Stored | undefined;
  await until(`there are ${count} dead letters`, async () => {
    info = await callApi<Stored>(supervisor.bus, "STREAM.INFO.wb+t+dl");
    return info.state.messages === count;
  });
  return info!;
}
