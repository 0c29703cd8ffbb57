// Real worker processes: once is enough, and what the test itself runs on makes no difference.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { connect as dial, headers, type NatsConnection } from "nats";
import { errorDetail } from "../../mod.ts";
import { encodeCallerFrame, FRAME_HEADER, META_HEADER } from "../../src/rpc/frame.ts";
import { Subjects } from "../../src/rpc/subjects.ts";
import { until } from "../support/program.ts";
import { collect, failure, pause } from "../support/waiting.ts";
import { Troubled, type TroubledWorker } from "./troubled.ts";

let world: Troubled;
let hostile: NatsConnection;
beforeAll(async () => {
  world = await Troubled.start();
  hostile = await dial({ servers: world.broker.tcpUrl });
});
afterEach(() => world.clear());
afterAll(async () => {
  await hostile.close();
  await world.stop();
});

const none = new Uint8Array(0);

function frame(kind: "request" | "post" | "cancel" | "probe", caller: string, call: string, seq = 0): string {
  return encodeCallerFrame({
    ...{ kind, codec: "proto", caller, call, seq, timeoutMs: 5_000, creditItems: 1, creditBytes: 1_000 },
    ...{ base: 0, once: false, method: "inference.GRPCInferenceService/ModelInfer", trace: "" },
  });
}

function headersOf(entries: Record<string, string>): ReturnType<typeof headers> {
  const built = headers();
  for (const [name, value] of Object.entries(entries)) built.set(name, value);
  return built;
}

/** Every subject that a worker listens to. */
function subjectsOf({ instance }: TroubledWorker): string[] {
  const subjects = new Subjects(world.namespace);
  return [
    subjects.direct("echo", "1"),
    subjects.direct("echo", undefined),
    subjects.directed("echo", instance),
    subjects.control("echo", instance),
    subjects.everyInstance("echo"),
    subjects.node(instance),
  ];
}

async function works(): Promise<void> {
  const client = await world.client();
  for (const mode of ["queue", "direct", "at-most-once"] as const) await client.operator("echo", { mode }).infer({});
  expect((await collect(client.operator("pieces").stream({}))).length).toBe(3);
}

describe("a hostile client", () => {
  test("gets nothing of ours published to a reply subject of its choice", async () => {
    const worker = await world.worker();
    const seen: { subject: string; ours: boolean }[] = [];
    const victim = hostile.subscribe("victim.>", {
      callback: (_, { subject, headers: received }) => void seen.push({ subject, ours: received?.has(FRAME_HEADER) ?? false }),
    });
    let n = 0;
    for (const subject of [...subjectsOf(worker), new Subjects(world.namespace).queue("echo", "1", 0)]) {
      for (const kind of ["request", "post", "cancel", "probe"] as const) {
        const own = headersOf({ [FRAME_HEADER]: frame(kind, "hostile", `call${++n}`) });
        hostile.publish(subject, none, { reply: `victim.${subject}`, headers: own });
        const traversing = frame(kind, "victim.x", `call${n}`);
        hostile.publish(subject, none, { reply: `victim.${subject}`, headers: headersOf({ [FRAME_HEADER]: traversing }) });
      }
    }
    await hostile.flush();
    await works();
    await pause(1_500);
    victim.unsubscribe();
    expect(seen.filter(({ ours }) => ours)).toEqual([]);
    // The broker itself acknowledges what it stores: that is all.
    expect(new Set(seen.map(({ subject }) => subject))).toEqual(
      new Set([`victim.${new Subjects(world.namespace).queue("echo", "1", 0)}`]),
    );
  });

  test("makes the broker drop, roll up or expire nothing of others by Nats- headers", async () => {
    const [worker, client] = [await world.worker(), await world.client()];
    const subject = new Subjects(world.namespace).queue("sleep", "1", 0);
    const running = Array.from({ length: 80 }, () => client.operator("sleep").infer({}, { parameters: { ms: 300 } }));
    await worker.waitFor(/@sleeping/);
    const tricks = [
      "Nats-Rollup: all",
      "Nats-Rollup: sub",
      "Nats-TTL: 1s",
      "Nats-Msg-Id: key",
      "Nats-Expected-Last-Sequence: 0",
    ];
    for (const trick of tricks) {
      const [name = "", value = ""] = trick.split(": ");
      const own = headersOf({ [name]: value, [FRAME_HEADER]: frame("request", "hostile", "call") });
      await hostile.request(subject, none, { timeout: 2_000, headers: own });
    }
    await client.operator("echo").infer({}, { idempotencyKey: "key" });
    expect((await Promise.all(running)).length).toBe(80);
    // Through the SDK such a name is metadata like any other.
    const handle = client.operator("echo", { headers: { "Nats-Msg-Id": "same", "Nats-Rollup": "all" }, id: "same" });
    await Promise.all([handle.infer({}), handle.infer({}), handle.infer({})]);
  });

  test("cancels nothing of others, whatever ids it names", async () => {
    const [worker, client] = [await world.worker(), await world.client()];
    const subjects = new Subjects(world.namespace);
    const answer = client.operator("sleep").infer({}, { parameters: { ms: 1_500 }, id: "known" });
    const [, request = ""] = await worker.waitFor(/@sleeping attempt=1 request=(\w+)/);
    const guesses = [["hostile", request], [client.caller.id, "known"], ["known", "known"], [request, client.caller.id]];
    for (const [caller = "", call = ""] of guesses) {
      for (const subject of [subjects.everyInstance("sleep"), subjects.control("sleep", worker.instance)]) {
        for (let seq = 0; seq < 5; seq++) {
          hostile.publish(subject, none, { headers: headersOf({ [FRAME_HEADER]: frame("cancel", caller, call, seq) }) });
        }
      }
    }
    await hostile.flush();
    expect(Object.keys(await answer)).toContain("attempt");
  });

  test("cannot make a worker acknowledge for other queues, even where it can listen in", async () => {
    const worker = await world.worker();
    const seen: string[] = [];
    const inboxes: string[] = [];
    const acks = hostile.subscribe("$JS.ACK.>", { callback: (_, { subject }) => void seen.push(subject) });
    const pulls = hostile.subscribe("$JS.API.CONSUMER.MSG.NEXT.>", {
      callback: (_, { reply = "" }) => void inboxes.push(reply),
    });
    await hostile.flush();
    await works();
    await until("an inbox is known", () => inboxes.some((inbox) => inbox.includes(worker.instance)));
    for (const inbox of inboxes) {
      const own = headersOf({ [FRAME_HEADER]: frame("request", "hostile", "call") });
      hostile.publish(inbox, none, { reply: "$JS.ACK.other.v1-p0.1.1.1.1700000000000000000.0", headers: own });
    }
    await hostile.flush();
    await works();
    // Brokers since 2.11 refuse such a reply subject themselves; with others the worker looks at it.
    await pause(500);
    acks.unsubscribe();
    pulls.unsubscribe();
    expect(seen.filter((subject) => subject.startsWith("$JS.ACK.other."))).toEqual([]);
  });
});

describe("a foreign subscriber to everything", () => {
  test("changes no outcome, though it hides that nobody else listens", async () => {
    const spy = hostile.subscribe("wb.>", { callback: () => {} });
    await hostile.flush();
    try {
      const client = await world.client({ operatorWaitMs: 15_000 });
      const early = client.operator("echo").infer({});
      const hasty = await world.client({ operatorWaitMs: 1_500 });
      const unknown = (["queue", "direct"] as const).map((mode) => failure(hasty.operator("nobody", { mode }).infer({})));
      await world.worker();
      await early;
      await works();
      expect((await Promise.all(unknown)).map(({ code }) => code)).toEqual([Code.NotFound, Code.NotFound]);
      const dead = await failure(hasty.operator("echo", { instance: "gone" }).infer({}));
      expect([dead.code, errorDetail(dead)?.reason]).toEqual([Code.Unavailable, "OUTCOME_UNKNOWN"]);
    } finally {
      spy.unsubscribe();
    }
  });
});

describe("garbage", () => {
  test("on every subject disturbs neither worker nor client, and is logged", async () => {
    const worker = await world.worker();
    const warnings: string[] = [];
    const logger = { debug() {}, info() {}, warn: (text: string) => void warnings.push(text), error() {} };
    const client = await world.client({ logger });
    const subjects = new Subjects(world.namespace);
    const running = client.operator("sleep").infer({}, { parameters: { ms: 2_500 } });
    const [, call = ""] = await worker.waitFor(/@sleeping attempt=1 request=(\w+)/);
    const everywhere = [
      ...subjectsOf(worker),
      subjects.queue("echo", "1", 0),
      subjects.queue("echo", undefined, 0),
      `wb.${world.namespace}.w.echo.1.0`,
      ...[call, "stranger", "gone.1", "pull.x", "x.y.z"].map((token) => `${subjects.answers(client.caller.id)}${token}`),
      ...["gone.1", "gone.garbage", "gone.loop.7", "pull.x"].map((token) => `${subjects.answers(worker.instance)}${token}`),
    ];
    const good = frame("request", "hostile", "garbage");
    const bytes = crypto.getRandomValues(new Uint8Array(300));
    const payloads = [
      none,
      bytes,
      ...["null", "{}", "[]", '{"error":7}', '{"seq":"x"}', "\0"].map((t) => new TextEncoder().encode(t)),
    ];
    const heads: (Record<string, string> | undefined)[] = [
      undefined,
      { "X-Unknown": "ü" },
      { [FRAME_HEADER]: "" },
      { [FRAME_HEADER]: "garbage" },
      { [FRAME_HEADER]: "1 request proto a b c d e f g h i" },
      { [FRAME_HEADER]: "1 response proto stranger 9 9 -" },
      { [FRAME_HEADER]: good.replace(/^1/, "2") },
      { [FRAME_HEADER]: good.replace("request", "item") },
      { [FRAME_HEADER]: good.replace("ModelInfer", "Nothing") },
      { [FRAME_HEADER]: good, [META_HEADER]: "{not json" },
      { [FRAME_HEADER]: good, [META_HEADER]: '[[["bad name",1]],"x"]', "Nats-Status": "503" },
    ];
    for (const subject of everywhere) {
      for (const payload of payloads) {
        for (const head of heads) {
          // What answers the running call would be its answer: ids are secrets for that reason.
          if (subject.endsWith(call) && head?.[FRAME_HEADER]?.startsWith("1 response")) continue;
          const reply = Math.random() < 0.5 ? undefined : "foreign.reply";
          hostile.publish(subject, payload, { reply, headers: head && headersOf(head) });
        }
      }
    }
    await hostile.flush();
    expect(Object.keys(await running)).toContain("attempt");
    await until("the worker has logged it", () => worker.count(/Dropped a broken frame/) > 100);
    await until("the client has logged it", () => warnings.includes("Dropped a broken frame"));
    await works();
    expect(worker.count(/"level":50/)).toBe(0);
  });
});
