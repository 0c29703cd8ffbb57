import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus, BusMessage, BusStatus } from "../../src/bus/mod.ts";
import { type BusHost, busKinds, bytes, collect, eventually, rejection, text } from "./support.ts";

const empty = new Uint8Array(0);

for (const kind of busKinds) {
  describe(`bus: ${kind.name}`, () => {
    let host: BusHost;
    let open: Bus[] = [];

    beforeAll(async () => {
      host = await kind.start();
    });
    afterEach(async () => {
      for (const bus of open) await bus.close();
      open = [];
    });
    afterAll(() => host.stop());

    async function connect(): Promise<Bus> {
      const bus = await host.connect();
      open.push(bus);
      return bus;
    }

    test("delivers in order to every subscription whose subject matches", async () => {
      const [receiver, sender] = [await connect(), await connect()];
      const exact = await collect(receiver, "a.b");
      const one = await collect(receiver, "a.*");
      const rest = await collect(receiver, "a.>");
      const other = await collect(receiver, "b.*");
      const texts = Array.from({ length: 100 }, (_, index) => String(index));
      for (const each of texts) sender.publish("a.b", bytes(each));
      sender.publish("a.b.c", bytes("deep"));
      sender.publish("a", bytes("top"));
      await eventually(() => rest.length === 101, "all have arrived");
      expect(exact).toEqual(texts);
      expect(one).toEqual(texts);
      expect(rest).toEqual([...texts, "deep"]);
      expect(other).toEqual([]);
    });

    test("delivers payloads whose slice is a copy", async () => {
      const bus = await connect();
      const slices: Uint8Array[] = [];
      bus.subscribe("bytes", ({ payload }) => {
        const slice = payload.slice(1);
        payload.fill(0);
        slices.push(slice);
      });
      bus.publish("bytes", new Uint8Array([1, 2, 3]));
      await eventually(() => slices.length === 1, "it has arrived");
      expect(Array.from(slices[0]!)).toEqual([2, 3]);
    });

    test("carries headers and the reply subject", async () => {
      const bus = await connect();
      const messages: BusMessage[] = [];
      bus.subscribe("h", (message) => void messages.push(message));
      bus.publish("h", bytes("x"), { headers: { wb: "1;Infer;p q", "wb-meta": "abc:def" }, reply: "answers.here" });
      bus.publish("h", bytes("y"), { headers: { wb: "" } });
      bus.publish("h", empty);
      await eventually(() => messages.length === 3, "all have arrived");
      const [both, blank, none] = messages;
      expect(both?.header("wb")).toBe("1;Infer;p q");
      expect(both?.header("wb-meta")).toBe("abc:def");
      expect(both?.header("Wb")).toBe(undefined);
      expect(both?.header("constructor")).toBe(undefined);
      expect(both?.reply).toBe("answers.here");
      expect(blank?.header("wb")).toBe("");
      expect(blank?.reply).toBe(undefined);
      expect(none?.header("wb")).toBe(undefined);
    });

    test("has a status on what the broker puts in place of a message only", async () => {
      const bus = await connect();
      const messages: BusMessage[] = [];
      bus.subscribe("inbox.*", (message) => void messages.push(message));
      bus.publish("nobody.listens.here", bytes("x"), { reply: "inbox.1" });
      bus.publish("inbox.2", empty, { headers: { wb: "503" } });
      bus.publish("inbox.3", bytes("x"));
      await eventually(() => messages.length === 3, "all have arrived");
      const of = (subject: string) => messages.find((message) => message.subject === subject);
      expect(of("inbox.1")?.status).toBe(503);
      expect(of("inbox.1")?.payload.length).toBe(0);
      expect(of("inbox.2")?.status).toBe(undefined);
      expect(of("inbox.3")?.status).toBe(undefined);
    });

    test("gives each message to one member of a queue group", async () => {
      const [first, second, sender] = [await connect(), await connect(), await connect()];
      const members = [await collect(first, "work", "group"), await collect(second, "work", "group")];
      const all = await collect(second, "work");
      for (let index = 0; index < 100; index++) sender.publish("work", bytes(String(index)));
      await eventually(() => all.length === 100 && members.flat().length === 100, "all have arrived");
      expect(members.flat().map(Number).sort((a, b) => a - b)).toEqual(all.map(Number));
      for (const member of members) expect(member.length).toBeGreaterThan(0);
    });

    test("answers requests", async () => {
      const [server, client] = [await connect(), await connect()];
      server.subscribe("double", (message) => {
        server.publish(message.reply ?? "", bytes(text(message).repeat(2)), { headers: { wb: message.header("wb") ?? "" } });
      });
      await server.flush();
      const answers = await Promise.all(
        ["a", "b", "c"].map((each) => client.request("double", bytes(each), { headers: { wb: each } })),
      );
      expect(answers.map(text)).toEqual(["aa", "bb", "cc"]);
      expect(answers.map((answer) => answer.header("wb"))).toEqual(["a", "b", "c"]);
    });

    test("request rejects with unavailable when nobody listens", async () => {
      const bus = await connect();
      const error = await rejection(bus.request("nobody.listens.here", empty));
      expect(ConnectError.from(error).code).toBe(Code.Unavailable);
      expect(error.message).toContain(`"nobody.listens.here"`);
    });

    test("request rejects when nobody answers in time, or when aborted", async () => {
      const bus = await connect();
      await collect(bus, "silent");
      const late = await rejection(bus.request("silent", empty, { timeoutMs: 50 }));
      expect(ConnectError.from(late).code).toBe(Code.DeadlineExceeded);
      expect(late.message).toContain("50 ms");
      const controller = new AbortController();
      const aborted = rejection(bus.request("silent", empty, { signal: controller.signal }));
      controller.abort(new Error("Enough"));
      expect((await aborted).message).toBe("Enough");
      expect((await rejection(bus.request("silent", empty, { signal: controller.signal }))).message).toBe("Enough");
    });

    test("refuses a message above the limit with both sizes, headers counted", async () => {
      const bus = await connect();
      expect(bus.maxPayloadBytes).toBe(1_048_576);
      const texts = await collect(bus, "big");
      const tooLarge = (run: () => void): ConnectError => {
        try {
          run();
        } catch (error) {
          return ConnectError.from(error);
        }
        throw new Error("Expected an error");
      };
      const plain = tooLarge(() => bus.publish("big", new Uint8Array(1_048_577)));
      expect(plain.code).toBe(Code.ResourceExhausted);
      expect(plain.message).toContain("1048576");
      expect(plain.message).toContain("1048577");
      // "NATS/1.0\r\n" + "wb: x\r\n" + "\r\n"
      const headerBytes = 10 + 7 + 2;
      const fits = new Uint8Array(1_048_576 - headerBytes);
      const withHeaders = tooLarge(() => bus.publish("big", new Uint8Array(fits.length + 1), { headers: { wb: "x" } }));
      expect(withHeaders.message).toContain("1048577");
      bus.publish("big", fits, { headers: { wb: "x" } });
      await eventually(() => texts.length === 1, "the largest possible message has arrived");
      const error = await rejection(bus.request("big", new Uint8Array(1_048_577)));
      expect(ConnectError.from(error).code).toBe(Code.ResourceExhausted);
    });

    test("refuses subjects and headers that would break the protocol", async () => {
      const bus = await connect();
      for (const subject of ["", "a b", "a\r\nPUB b 0\r\n", "a\tb"]) {
        expect(() => bus.publish(subject, empty)).toThrow("subject");
        expect(() => bus.subscribe(subject, () => {})).toThrow("subject");
      }
      expect(() => bus.publish("a", empty, { reply: "b c" })).toThrow("subject");
      for (const value of ["a\r\nx: y", "a\nb", "ü", "\0"]) {
        expect(() => bus.publish("a", empty, { headers: { wb: value } })).toThrow(`"wb"`);
      }
      expect(() => bus.publish("a", empty, { headers: { "w:b": "x" } })).toThrow("printable ASCII");
    });

    test("unsubscribe stops delivery", async () => {
      const bus = await connect();
      const texts: string[] = [];
      const subscription = bus.subscribe("s", (message) => void texts.push(text(message)));
      bus.publish("s", bytes("1"));
      await eventually(() => texts.length === 1, "it has arrived");
      subscription.unsubscribe();
      bus.publish("s", bytes("2"));
      await bus.flush();
      await bus.flush();
      expect(texts).toEqual(["1"]);
      subscription.unsubscribe();
    });

    test("draining a subscription delivers what is on its way", async () => {
      const [receiver, sender] = [await connect(), await connect()];
      const texts: string[] = [];
      const subscription = receiver.subscribe("d", (message) => void texts.push(text(message)));
      await receiver.flush();
      for (let index = 0; index < 1000; index++) sender.publish("d", bytes(String(index)));
      await sender.flush();
      await subscription.drain();
      expect(texts.length).toBe(1000);
      sender.publish("d", bytes("late"));
      await sender.flush();
      await receiver.flush();
      expect(texts.length).toBe(1000);
    });

    test("draining the bus delivers what is on its way, sends what is pending, then closes", async () => {
      const [receiver, sender] = [await connect(), await connect()];
      const there = await collect(receiver, "there");
      const back = await collect(sender, "back");
      receiver.subscribe("there", (message) => receiver.publish("back", message.payload));
      await receiver.flush();
      for (let index = 0; index < 1000; index++) sender.publish("there", bytes(String(index)));
      await sender.flush();
      await receiver.drain();
      expect(there.length).toBe(1000);
      await eventually(() => back.length === 1000, "all answers have arrived");
      expect(await receiver.closed).toBe(undefined);
      expect(receiver.connected).toBe(false);
      await receiver.drain();
    });

    test("can be closed twice, and refuses work after that", async () => {
      const bus = await connect();
      expect(bus.connected).toBe(true);
      await collect(bus, "silent");
      const waiting = rejection(bus.request("silent", empty));
      await bus.close();
      await bus.close();
      await bus[Symbol.asyncDispose]();
      expect(await bus.closed).toBe(undefined);
      expect(ConnectError.from(await waiting).code).toBe(Code.Unavailable);
      expect(bus.connected).toBe(false);
      expect(() => bus.publish("a", empty)).toThrow("closed");
      expect(() => bus.subscribe("a", () => {})).toThrow("closed");
      expect((await rejection(bus.flush())).message).toContain("closed");
      expect((await rejection(bus.request("a", empty))).message).toContain("closed");
    });

    test("survives handlers that throw, and reports them", async () => {
      const bus = await connect();
      const texts: string[] = [];
      const errors: BusStatus[] = [];
      bus.onStatus(() => {
        throw new Error("A bad listener");
      });
      const stop = bus.onStatus((status) => void errors.push(status));
      bus.subscribe("throws", (message) => {
        texts.push(text(message));
        throw new Error("A bad handler");
      });
      bus.publish("throws", bytes("1"));
      bus.publish("throws", bytes("2"));
      await eventually(() => texts.length === 2, "both have arrived");
      expect(errors.map(({ type }) => type)).toEqual(["error", "error"]);
      stop();
      bus.publish("throws", bytes("3"));
      await eventually(() => texts.length === 3, "the third has arrived");
      expect(errors.length).toBe(2);
    });
  });
}
