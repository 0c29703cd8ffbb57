import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { z } from "zod";
import { ErrorDetailSchema } from "../../gen/waybill/v1/error_pb.ts";
import { errorDetail, type WaybillEvent } from "../../mod.ts";
import { busKinds } from "../bus/support.ts";
import { collect, failure, gate } from "../support/waiting.ts";
import { until } from "../support/program.ts";
import { clientsOn } from "./support.ts";

class Order {
  readonly item: string;
  readonly count: number;
  constructor(item: string, count: number) {
    this.item = item;
    this.count = count;
  }
}

const orderSchema = z.object({ item: z.string(), count: z.number() }).transform(({ item, count }) => new Order(item, count));

for (const kind of busKinds) {
  describe(`events: ${kind.name}`, () => {
    const connect = clientsOn(kind);

    test("[EV1] a topic given as a string is printed as it was", async () => {
      const { events } = await connect();
      expect(await events.publish("a.b", {})).toMatchObject({ topic: "a.b", levels: ["a", "b"] });
      expect(await events.publish("a", {})).toMatchObject({ topic: "a", levels: ["a"] });
    });

    test("[EV2] a topic given as a list is printed with dots between its levels", async () => {
      const { events } = await connect();
      expect(await events.publish(["a", "b"], {})).toMatchObject({ topic: "a.b", levels: ["a", "b"] });
    });

    test("[EV3] a callback gets the event that was published, with its id, time, type and component", async () => {
      const [publisher, subscriber] = [await connect({ callerId: "somebody" }), await connect()];
      const got = gate<WaybillEvent>();
      const subscription = await subscriber.events.subscribe("jobs", { onEvent: got.open });
      const sent = await publisher.events.publish("jobs.done", { n: 1 }, { type: "finished" });
      const { id, time } = sent;
      expect(await got.promise).toMatchObject({ id, time, type: "finished", component: "somebody", topic: "jobs.done" });
      expect(Math.abs(Date.now() - time.getTime())).toBeLessThan(60_000);
      expect((await got.promise).json()).toEqual({ n: 1 });
      await subscription.close();
    });

    test("[EV4] an iterator gets the events that were published, in their order, with their ids", async () => {
      const { events } = await connect();
      const subscription = await events.subscribe("jobs");
      const sent = await Promise.all([1, 2, 3].map((n) => events.publish("jobs", n)));
      const got: WaybillEvent[] = [];
      for await (const event of subscription) {
        got.push(event);
        if (got.length === 3) break;
      }
      expect(got.map(({ id }) => id)).toEqual(sent.map(({ id }) => id));
      expect(new Set(got.map(({ id }) => id)).size).toBe(3);
      expect(got.map((event) => event.json())).toEqual([1, 2, 3]);
    });

    test("[EV5] without any filter every event comes, also one about nothing in particular", async () => {
      const { events } = await connect();
      const subscription = await events.subscribe();
      const sent = [await events.publish("", "hello"), await events.publish("a.b.c", Uint8Array.of(1))];
      for (const { id } of sent) expect(await subscription.next({ timeoutMs: 5_000 })).toMatchObject({ id });
      expect(sent.map(({ topic, type }) => [topic, type])).toEqual([["", "json"], ["a.b.c", "bytes"]]);
    });

    test("[EV6] a topic given as a string takes what is published under it as a list, and what is below it", async () => {
      const { events } = await connect();
      const subscription = await events.subscribe("hello");
      await events.publish(["hell"], 0);
      await events.publish(["hello"], 1);
      await events.publish("hello.world", 2);
      expect((await subscription.next({ timeoutMs: 5_000 })).json()).toBe(1);
      expect((await subscription.next({ timeoutMs: 5_000 })).json()).toBe(2);
    });

    test("[EV7] a payload of the user's own type comes back as that type, as a record, and as a protobuf message", async () => {
      const { events } = await connect();
      const subscription = await events.subscribe("orders");
      await events.publish("orders", new Order("bolt", 3), { schema: orderSchema });
      const event = await subscription.next({ timeoutMs: 5_000 });
      const order = await event.parse(orderSchema);
      expect([order instanceof Order, order.item, order.count]).toEqual([true, "bolt", 3]);
      expect(event.json<Record<string, unknown>>()).toEqual({ item: "bolt", count: 3 });
      const message = create(ErrorDetailSchema, { reason: "WHY", attempt: 2 });
      await events.publish("orders", message, { schema: ErrorDetailSchema });
      const typed = await subscription.next({ timeoutMs: 5_000 });
      expect(typed).toMatchObject({ type: "waybill.v1.ErrorDetail", contentType: "application/x-protobuf" });
      expect(typed.message(ErrorDetailSchema)).toMatchObject({ reason: "WHY", attempt: 2 });
    });

    test("[EV8] of one publisher, subscribers by topic, by type and by component get what they asked for", async () => {
      const publisher = await connect({ component: "Press 1" });
      const others = await Promise.all([connect(), connect(), connect(), connect()]);
      const [one, two, three, four] = await Promise.all([
        others[0].events.subscribe("news"),
        others[1].events.subscribe(["news", "sports"]),
        others[2].events.subscribe([], { type: "score" }),
        others[3].events.subscribe("news.arts", { component: "Press 1" }),
      ]);
      for (let n = 0; n < 2; n++) {
        await publisher.events.publish("news.sports", { n }, { type: "score" });
        await publisher.events.publish("news.arts", { n }, { type: "review" });
        await others[0].events.publish("news.arts", { n }, { type: "rumour" });
      }
      const types = async (subscription: typeof one, count: number) => {
        const got: string[] = [];
        for (let i = 0; i < count; i++) got.push((await subscription.next({ timeoutMs: 5_000 })).type);
        return got.sort();
      };
      expect(await types(one, 6)).toEqual(["review", "review", "rumour", "rumour", "score", "score"]);
      expect(await types(two, 2)).toEqual(["score", "score"]);
      expect(await types(three, 2)).toEqual(["score", "score"]);
      expect(await types(four, 2)).toEqual(["review", "review"]);
      expect([one, two, three, four].map(({ buffered, dropped }) => [buffered, dropped])).toEqual(Array(4).fill([0, 0]));
    });

    test("[EV9] leaving a scope unsubscribes and disconnects, also by an exception", async () => {
      const publisher = await connect();
      const left = async (fails: boolean) => {
        const seen: WaybillEvent[] = [];
        const client = await connect();
        const subscription = await client.events.subscribe("scope", { onEvent: (event) => void seen.push(event) });
        try {
          await publisher.events.publish("scope", 1);
          await until("the event came", () => seen.length === 1);
          if (fails) throw new Error("on purpose");
        } finally {
          // What `await using` calls.
          await subscription[Symbol.asyncDispose]();
        }
        await publisher.events.publish("scope", 2);
        await client.bus.flush();
        expect(seen.length).toBe(1);
        await client[Symbol.asyncDispose]();
        expect((await failure(client.events.subscribe())).code).toBe(Code.Unavailable);
      };
      await left(false);
      await expect(left(true)).rejects.toThrow("on purpose");
      const client = await connect();
      const open = await client.events.subscribe("scope");
      const reading = collect(open);
      await client[Symbol.asyncDispose]();
      expect(await reading).toEqual([]);
    });

    test("names of any characters stay apart, and cannot widen a filter", async () => {
      const { events } = await connect();
      const subscription = await events.subscribe(["a.b", "*"], { type: ">" });
      await events.publish(["a", "b", "x"], 0, { type: ">" });
      await events.publish(["a.b", "x"], 0, { type: ">" });
      await events.publish(["A.B", "*"], 0, { type: ">" });
      await events.publish(["a.b", "*"], 0, { type: "x" });
      await events.publish(["a.b", "*", "ž "], 1, { type: ">" });
      expect((await subscription.next({ timeoutMs: 5_000 })).levels).toEqual(["a.b", "*", "ž "]);
    });

    test("an event above the broker's message size is refused, and the error names both sizes", async () => {
      const client = await connect();
      const error = await failure(client.events.publish("large", new Uint8Array(client.bus.maxPayloadBytes)));
      expect([error.code, errorDetail(error)?.reason]).toEqual([Code.ResourceExhausted, "MESSAGE_TOO_LARGE"]);
      expect(error.rawMessage).toMatch(
        new RegExp(
          `^Cannot publish the event "large": the broker takes at most ${client.bus.maxPayloadBytes} bytes, got \\d+$`,
        ),
      );
    });
  });
}
