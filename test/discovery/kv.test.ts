import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { connect } from "nats";
import type { Bus } from "../../src/bus/bus.ts";
import { KvDiscovery } from "../../src/discovery/mod.ts";
import { callApi, type StreamInfo } from "../../src/rpc/queue/jetstream-api.ts";
import { randomId } from "../../src/rpc/ids.ts";
import { describeDiscovery } from "./behaviour.ts";
import { type KvWorld, kvWorld } from "./kv-world.ts";
import { declaration, eventually, LogLines, serving, sleep, Story } from "./support.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

describeDiscovery("KvDiscovery", () => kvWorld());

describe("the bucket", () => {
  let world: KvWorld;
  beforeAll(async () => {
    world = await kvWorld();
  });
  afterAll(() => world.close());

  const write = async (bus: Bus, subject: string, text: string, headers?: Record<string, string>) => {
    const answer = await bus.request(subject, encoder.encode(text), { headers });
    expect(JSON.parse(decoder.decode(answer.payload)).error).toBe(undefined);
  };
  const revisions = async (bus: Bus, bucket: string) => {
    const info = await callApi<StreamInfo>(bus, `STREAM.INFO.KV_${bucket}`);
    return info.state;
  };

  test("is nothing before the first write, for reads and for watches", async () => {
    const { discovery } = await world.join({ namespace: "empty" });
    expect(await discovery.declaration("a")).toBe(undefined);
    expect(await discovery.declarations()).toEqual([]);
    expect(await discovery.instances()).toEqual([]);
    await discovery.undeclare("a");
    const story = new Story();
    const watch = await discovery.watch(story.listener);
    expect(story.lines).toEqual(["ready"]);
    const writer = await world.join({ namespace: "empty" });
    await writer.discovery.declare(declaration("a", "1"));
    await story.until("declared a 1");
    await watch.close();
  });

  test("keeps two namespaces apart, also where one's name begins with the other's", async () => {
    const [a, ab] = [await world.join({ namespace: "a" }), await world.join({ namespace: "a_b" })];
    const story = new Story();
    const watch = await a.discovery.watch(story.listener);
    await ab.discovery.declare(declaration("encoder", "1"));
    const registration = await ab.discovery.register(serving("one"));
    await a.discovery.declare(declaration("decoder", "1"));
    await story.until("declared decoder 1");
    expect(story.lines).toEqual(["ready", "declared decoder 1"]);
    expect(await a.discovery.declaration("encoder")).toBe(undefined);
    expect(await a.discovery.instances()).toEqual([]);
    expect(() => new KvDiscovery(a.bus, { namespace: "A.b" })).toThrow("Cannot use");
    await registration.close();
    await watch.close();
  });

  test("has the layout of every client's key-value stores, with readable values", async () => {
    const { bus, discovery } = await world.join({ namespace: "layout", storage: "file" });
    await discovery.declare(declaration("my op", "1"));
    const registration = await discovery.register(serving("one"));
    const { config, state } = await callApi<StreamInfo>(bus, "STREAM.INFO.KV_wb_layout");
    expect(config).toMatchObject({
      subjects: ["$KV.wb_layout.>"],
      max_msgs_per_subject: 1,
      discard: "new",
      storage: "file",
      allow_direct: true,
      allow_rollup_hdrs: true,
      deny_delete: true,
      allow_msg_ttl: true,
    });
    expect(state.messages).toBe(2);
    const stored = await bus.request("$JS.API.DIRECT.GET.KV_wb_layout.$KV.wb_layout.decl.my=20op", new Uint8Array(0));
    expect(JSON.parse(decoder.decode(stored.payload))).toEqual({ name: "my op", versions: ["1"], defaultVersion: "1" });
    const record = await bus.request("$JS.API.DIRECT.GET.KV_wb_layout.$KV.wb_layout.inst.one", new Uint8Array(0));
    expect(JSON.parse(decoder.decode(record.payload))).toMatchObject({ instance: "one", leaseMs: 10_000 });
    // The lease, and the margin in whole seconds.
    expect(record.header("Nats-TTL")).toBe("11s");

    const client = await connect({ servers: world.broker.tcpUrl });
    const kv = await client.jetstream().views.kv("wb_layout", { bindOnly: true });
    expect((await kv.get("inst.one"))?.json()).toMatchObject({ instance: "one" });
    const keys: string[] = [];
    for await (const key of await kv.keys()) keys.push(key);
    expect(keys.sort()).toEqual(["decl.my=20op", "inst.one"]);
    await registration.close();
    expect(await kv.get("inst.one")).toMatchObject({ operation: "PURGE" });
    await kv.delete("decl.my=20op");
    expect(await discovery.declaration("my op")).toBe(undefined);
    await client.close();
  });

  test("ignores garbage with a warning", async () => {
    const logger = new LogLines();
    const { bus, discovery } = await world.join({ namespace: "garbage", logger });
    await discovery.declare(declaration("good", "1"));
    const registration = await discovery.register(serving("good"));
    const root = "$KV.wb_garbage";
    await write(bus, `${root}.inst.a`, "not json");
    await write(bus, `${root}.inst.b`, `{"instance": "another"}`);
    await write(bus, `${root}.inst.c`, `{"instance": 7}`);
    await write(bus, `${root}.inst.d.e`, `{"instance": "d.e"}`);
    await write(bus, `${root}.decl.a`, "\u0000\u0001");
    await write(bus, `${root}.decl.B`, `{"name": "B", "versions": ["1"]}`);
    await write(bus, `${root}.unknown`, "{}");
    await write(bus, `${root}.inst.later`, `{"instance": "later", "fieldOfALaterRelease": 1}`);
    expect(await discovery.declaration("a")).toBe(undefined);
    expect((await discovery.declarations()).map(({ name }) => name)).toEqual(["good"]);
    expect((await discovery.instances()).map(({ instance }) => instance).sort()).toEqual(["good", "later"]);
    expect(await discovery.instance("c")).toBe(undefined);
    expect(logger.lines.filter((line) => line.startsWith("warn Ignored an unreadable record"))).toHaveLength(8);
    const story = new Story();
    const watch = await discovery.watch(story.listener);
    expect(story.lines.sort()).toEqual(["declared good 1", "ready", "up good", "up later"]);
    // A value that turns into garbage says nothing about the instance: its lease decides.
    await write(bus, `${root}.inst.good`, "[]");
    await sleep(50);
    expect(watch.instances()).toHaveLength(2);
    // It may be declared over, too.
    expect(await discovery.declare(declaration("a", "1"))).toMatchObject({ versions: ["1"] });
    await registration.close();
    await watch.close();
  });

  test("is used as it is where somebody made it without times to live", async () => {
    const { bus, discovery } = await world.join({ namespace: "plain" });
    await callApi(bus, "STREAM.CREATE.KV_wb_plain", {
      name: "KV_wb_plain",
      subjects: ["$KV.wb_plain.>"],
      storage: "file",
      max_msgs_per_subject: 5,
      allow_direct: true,
      allow_rollup_hdrs: true,
      discard: "new",
    });
    const story = new Story();
    const watch = await discovery.watch(story.listener);
    const dying = await world.join({ namespace: "plain" });
    await dying.discovery.register(serving("a"), { leaseMs: 400 });
    const alive = await discovery.register(serving("b"), { leaseMs: 400 });
    await dying.crash();
    await story.until("gone a (expired)");
    // The broker still has it: whoever comes later learns from the other's renewals how old it is.
    await eventually(async () => (await discovery.instances()).map(({ instance }) => instance).join() === "b");
    const late = new Story();
    const lateWatch = await discovery.watch(late.listener);
    expect(late.lines).toEqual(["up b", "ready"]);
    await alive.close();
    await story.until("gone b (closed)");
    await lateWatch.close();
    await watch.close();
  });

  test("does not grow with the instances that come and go", async () => {
    const { bus, discovery } = await world.join({ namespace: "churn" });
    for (let i = 0; i < 20; i++) {
      const registration = await discovery.register(serving(randomId()), { leaseMs: 1000 });
      await registration.close();
    }
    const { messages } = await revisions(bus, "wb_churn");
    expect(messages).toBe(20);
    const mark = await bus.request("$JS.API.DIRECT.GET.KV_wb_churn", encoder.encode(`{"seq":1,"next_by_subj":">"}`));
    expect(mark.header("KV-Operation")).toBe("PURGE");
    expect(mark.header("Nats-TTL")).toBe("60s");
  });

  test("writes again what it had when the bucket is deleted under it", async () => {
    const { bus, discovery } = await world.join({ namespace: "deleted" });
    const other = await world.join({ namespace: "deleted", heartbeatMs: 200 });
    await discovery.declare(declaration("encoder", "1"));
    const registration = await discovery.register(serving("a"), { leaseMs: 900 });
    const story = new Story();
    const watch = await other.discovery.watch(story.listener);
    await callApi(bus, "STREAM.DELETE.KV_wb_deleted");
    await eventually(async () => await other.discovery.instance("a") !== undefined);
    await eventually(async () => await other.discovery.declaration("encoder") !== undefined);
    await registration.update({ draining: true });
    await story.until("changed a");
    expect(story.lines.filter((line) => line !== "ready").sort()).toEqual(["changed a", "declared encoder 1", "up a"]);
    await registration.close();
    await watch.close();
  });

  test("cannot tell anything on a broker that stores nothing", async () => {
    const plain = await kvWorld({ jetstream: false });
    const { discovery } = await plain.join();
    await expect(discovery.declaration("a")).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(discovery.instances()).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(discovery.declare(declaration("a", "1"), { timeoutMs: 300 })).rejects.toMatchObject({
      code: Code.Unavailable,
    });
    await expect(discovery.watch(() => {}, { timeoutMs: 300 })).rejects.toMatchObject({ code: Code.Unavailable });
    await plain.close();
  });
});
