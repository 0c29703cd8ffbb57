import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { z } from "zod";
import { ErrorDetailSchema } from "../../gen/waybill/v1/error_pb.ts";
import { EventSchema } from "../../gen/waybill/v1/event_pb.ts";
import type { WaybillEvent } from "../../mod.ts";
import { busKinds } from "../bus/support.ts";
import { until } from "../support/program.ts";
import { collect, failure, gate, pause } from "../support/waiting.ts";
import { clientsOn } from "./support.ts";

const memory = busKinds.find(({ name }) => name === "memory")!;

describe("a slow subscriber", () => {
  const connect = clientsOn(memory);

  test("loses the oldest events first, and is told how many", async () => {
    const { events } = await connect();
    const subscription = await events.subscribe("n", { maxBuffered: 3 });
    for (let n = 0; n < 10; n++) await events.publish("n", n);
    expect([subscription.buffered, subscription.dropped]).toEqual([3, 7]);
    expect((await subscription.next()).json()).toBe(7);
  });

  test("is bounded in bytes as well, and still gets an event that is larger alone", async () => {
    const { events } = await connect();
    const subscription = await events.subscribe("n", { maxBufferedBytes: 1_000 });
    for (const size of [400, 400, 400]) await events.publish("n", new Uint8Array(size));
    expect([subscription.buffered, subscription.dropped]).toEqual([2, 1]);
    await events.publish("n", new Uint8Array(5_000));
    expect([subscription.buffered, subscription.dropped]).toEqual([1, 3]);
    expect((await subscription.next()).bytes.length).toBe(5_000);
  });

  test("ends with an error after what waits, where it may lose nothing", async () => {
    const { events } = await connect();
    const subscription = await events.subscribe("n", { maxBuffered: 2, overflow: "error" });
    for (let n = 0; n < 5; n++) await events.publish("n", n);
    const got: unknown[] = [];
    const error = await failure((async () => {
      for await (const event of subscription) got.push(event.json());
    })());
    expect([got, error.code]).toEqual([[0, 1], Code.ResourceExhausted]);
    expect((await subscription.ended)?.code).toBe(Code.ResourceExhausted);
  });
});

describe("a callback", () => {
  const connect = clientsOn(memory);

  for (const [concurrency, most] of [[1, 1], [3, 3]] as const) {
    test(`runs at most ${most} at once where it is told so`, async () => {
      const { events } = await connect();
      let [running, peak, ended] = [0, 0, 0];
      const subscription = await events.subscribe("n", {
        concurrency,
        onEvent: async () => {
          peak = Math.max(peak, ++running);
          await pause(5);
          running--;
          ended++;
        },
      });
      for (let n = 0; n < 6; n++) await events.publish("n", n);
      await until("all were handled", () => ended === 6);
      expect(peak).toBe(most);
      await subscription.close();
    });
  }

  test("that fails is counted and logged, and gets the next event", async () => {
    const warnings: string[] = [];
    const silent = () => {};
    const logger = { debug: silent, info: silent, error: silent, warn: (message: string) => void warnings.push(message) };
    const { events } = await connect({ logger });
    const done = gate<WaybillEvent>();
    const subscription = await events.subscribe("n", {
      onEvent: (event) => {
        if (event.json() === 1) throw new Error("not this one");
        done.open(event);
      },
    });
    await events.publish("n", 1);
    await events.publish("n", 2);
    expect((await done.promise).json()).toBe(2);
    expect([subscription.failed, warnings]).toEqual([1, ["onEvent failed"]]);
    expect((await failure(subscription.next())).code).toBe(Code.FailedPrecondition);
  });

  test("that runs is waited for by close", async () => {
    const { events } = await connect();
    const [began, go] = [gate(), gate()];
    let ended = false;
    const subscription = await events.subscribe("n", {
      onEvent: async () => {
        began.open();
        await go.promise;
        ended = true;
      },
    });
    await events.publish("n", 1);
    await began.promise;
    const closing = subscription.close();
    go.open();
    await closing;
    expect(ended).toBe(true);
  });
});

describe("waiting for an event", () => {
  const connect = clientsOn(memory);

  test("ends at its deadline, by its signal, and when the subscription is closed, and loses nothing", async () => {
    const { events } = await connect();
    const subscription = await events.subscribe("n");
    expect((await failure(subscription.next({ timeoutMs: 10 }))).code).toBe(Code.DeadlineExceeded);
    const aborting = new AbortController();
    const waiting = subscription.next({ signal: aborting.signal });
    aborting.abort();
    expect((await failure(waiting)).code).toBe(Code.Canceled);
    await events.publish("n", 1);
    expect((await subscription.next()).json()).toBe(1);
    const last = subscription.next();
    void subscription.close();
    expect((await failure(last)).code).toBe(Code.Unavailable);
  });

  test("fails when the signal of the subscription fires, or the connection is gone for good", async () => {
    const client = await connect();
    const aborting = new AbortController();
    const signal = aborting.signal;
    const [one, two] = [await client.events.subscribe("n", { signal }), await client.events.subscribe("n")];
    const [reading, still] = [collect(one), collect(two)];
    aborting.abort();
    expect((await failure(reading)).code).toBe(Code.Canceled);
    await client.bus.close();
    expect((await failure(still)).code).toBe(Code.Unavailable);
    expect((await failure(client.events.publish("n", 1))).code).toBe(Code.Unavailable);
  });
});

describe("what makes no sense", () => {
  const connect = clientsOn(memory);

  test("is refused before anything is sent", async () => {
    const { events } = await connect();
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    for (
      const work of [
        events.publish("a..b", 1),
        events.publish(Array(17).fill("a"), 1),
        events.publish("a", 1, { type: "" }),
        events.publish("a", 1, { type: "x".repeat(201) }),
        events.publish("a", circle),
        events.publish("a", undefined),
        events.publish("a", 1n),
        events.publish("a", { n: "one" }, { schema: z.object({ n: z.number() }) }),
        events.publish("a", { reason: 1 } as never, { schema: ErrorDetailSchema }),
        events.subscribe("a."),
        events.subscribe("a", { maxBuffered: 0 }),
        events.subscribe("a", { concurrency: 0.5 }),
        events.subscribe("a", { overflow: "drop-newest" as never }),
      ]
    ) expect((await failure(work)).code).toBe(Code.InvalidArgument);
  });

  test("is told when a payload is not what its reader takes it for", async () => {
    const { events } = await connect();
    const event = await events.publish("a", Uint8Array.of(0xff));
    expect((await failure(Promise.resolve().then(() => event.json()))).rawMessage).toBe(
      `Cannot read the event "a" as JSON: its payload is application/octet-stream`,
    );
    expect((await failure(Promise.resolve().then(() => event.message(ErrorDetailSchema)))).code).toBe(Code.InvalidArgument);
    const wrong = await events.publish("a", { n: "one" });
    expect((await failure(wrong.parse(z.object({ n: z.number() })))).rawMessage).toContain("n: ");
  });

  test("is dropped when it comes from others: garbage, and events that do not agree with their subject", async () => {
    const { events, bus } = await connect();
    const subscription = await events.subscribe();
    const forged = create(EventSchema, { id: "x", type: "json", component: "somebody-else", topic: ["a"] });
    for (const payload of [new Uint8Array(0), Uint8Array.of(255, 1), toBinary(EventSchema, forged)]) {
      bus.publish("wb.default.evt.json.me.a.=", payload);
    }
    await events.publish("a", 1);
    expect((await subscription.next()).json()).toBe(1);
    expect([subscription.buffered, subscription.dropped]).toEqual([0, 0]);
  });
});
