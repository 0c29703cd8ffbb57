import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Bus, type BusMessage, connectMemory, MemoryBroker } from "../../src/bus/mod.ts";
import { AnswerPacker } from "../../src/rpc/answer-packer.ts";
import { encodeAnswerFrame, encodePack, FRAME_HEADER, META_HEADER, readPack } from "../../src/rpc/frame.ts";
import { Subjects } from "../../src/rpc/subjects.ts";

const header = (seq: number) => encodeAnswerFrame("item", "proto", "instance", 1, seq);

describe("packs of frames", () => {
  test("survive the wire", () => {
    const frame = fc.record({
      call: fc.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/),
      header: fc.nat().map(header),
      payload: fc.uint8Array({ maxLength: 64 }),
    });
    fc.assert(fc.property(fc.array(frame, { minLength: 1, maxLength: 8 }), (frames) => {
      const payload = Uint8Array.from(frames.flatMap((one) => [...one.payload]));
      const read: unknown[] = [];
      const whole = readPack(encodePack(frames), payload, (call, { kind, instance, attempt, seq }, bytes) => {
        read.push({ call, header: encodeAnswerFrame(kind, "proto", instance, attempt, seq), payload: bytes.slice() });
      });
      expect(whole).toBe(true);
      expect(read).toEqual(frames);
    }));
  });

  test("that are cut short, or say more than they hold, are called broken and never throw", () => {
    const good = encodePack([{ call: "a", header: header(1), payload: new Uint8Array(3) }]);
    const ignore = () => {};
    expect(readPack(good, new Uint8Array(3), ignore)).toBe(true);
    for (let length = 0; length < good.length; length++) {
      expect(() => readPack(good.slice(0, length), new Uint8Array(3), ignore)).not.toThrow();
    }
    expect(readPack(good, new Uint8Array(2), ignore)).toBe(false);
    expect(readPack(good, new Uint8Array(4), ignore)).toBe(false);
    expect(readPack(`${good} b`, new Uint8Array(3), ignore)).toBe(false);
    expect(readPack(undefined, new Uint8Array(0), ignore)).toBe(false);
    fc.assert(fc.property(fc.string(), fc.uint8Array(), (text, bytes) => {
      expect(readPack(text, bytes, ignore)).toBe(false);
    }));
  });
});

describe("a packer", () => {
  let bus: Bus;
  const seen: BusMessage[] = [];
  const lost: unknown[] = [];
  const packer = () => new AnswerPacker(bus, new Subjects("pack"), (error) => lost.push(error));
  const settled = async () => {
    await Promise.resolve();
    await bus.flush();
    return seen.splice(0);
  };

  beforeAll(async () => {
    bus = await connectMemory(new MemoryBroker());
    bus.subscribe("wb.pack.r.>", (message) => seen.push(message));
  });
  afterAll(() => bus.close());

  test("sends a lone frame as it is", async () => {
    packer().publish("caller", "call", header(1), new Uint8Array([7]), "");
    const [message, ...more] = await settled();
    expect(more).toEqual([]);
    expect(message?.subject).toBe("wb.pack.r.caller.call");
    expect(message?.header(FRAME_HEADER)).toBe(header(1));
    expect([...message!.payload]).toEqual([7]);
  });

  test("puts what goes to one caller in one turn into one message, in order", async () => {
    const answers = packer();
    for (let seq = 1; seq <= 3; seq++) {
      answers.publish("one", `call-${seq}`, header(seq), new Uint8Array([seq]), "");
      answers.publish("two", "call", header(seq), new Uint8Array([seq, seq]), "");
    }
    const messages = await settled();
    expect(messages.map(({ subject }) => subject)).toEqual(["wb.pack.r.one.+", "wb.pack.r.two.+"]);
    const calls: string[] = [];
    for (const message of messages) {
      const whole = readPack(message.header(FRAME_HEADER), message.payload, (call, { seq }, payload) => {
        calls.push(`${call} ${seq} ${[...payload]}`);
      });
      expect(whole).toBe(true);
    }
    expect(calls).toEqual(["call-1 1 1", "call-2 2 2", "call-3 3 3", "call 1 1,1", "call 2 2,2", "call 3 3,3"]);
  });

  test("lets frames with metadata, and large ones, go alone without passing those before them", async () => {
    const answers = packer();
    answers.publish("caller", "a", header(1), new Uint8Array(1), "");
    answers.publish("caller", "a", header(2), new Uint8Array(1), "e30");
    answers.publish("caller", "a", header(3), new Uint8Array(1), "");
    answers.publish("caller", "a", header(4), new Uint8Array(10_000), "");
    const messages = await settled();
    expect(messages.map((message) => message.header(FRAME_HEADER))).toEqual([1, 2, 3, 4].map(header));
    expect(messages[1]?.header(META_HEADER)).toBe("e30");
  });

  test("bounds a pack in frames and in bytes", async () => {
    const answers = packer();
    for (let seq = 0; seq < 200; seq++) answers.publish("many", "call", header(seq), new Uint8Array(1), "");
    for (let seq = 0; seq < 20; seq++) answers.publish("large", "call", header(seq), new Uint8Array(4_000), "");
    const sizes = (await settled()).map(({ payload }) => payload.length);
    expect(sizes).toEqual([64, 64, 64, 36_000, 36_000, 8, 8_000]);
  });

  test("acknowledges only after the answers that came before", async () => {
    const answers = packer();
    const order: string[] = [];
    const listening = bus.subscribe("wb.pack.r.order.>", () => order.push("answer"));
    const acknowledgement = { acknowledge: () => bus.publish("pack.ack", new Uint8Array(0)) };
    const acks = bus.subscribe("pack.ack", () => order.push("acknowledgement"));
    answers.publish("order", "call", header(1), new Uint8Array(1), "");
    answers.acknowledge(acknowledgement);
    expect(order).toEqual([]);
    await settled();
    expect(order).toEqual(["answer", "acknowledgement"]);
    listening.unsubscribe();
    acks.unsubscribe();
  });

  test("acknowledges at once when nothing waits", () => {
    let acknowledged = 0;
    packer().acknowledge({ acknowledge: () => acknowledged++ });
    expect(acknowledged).toBe(1);
  });

  test("reports what a closed connection takes with it", async () => {
    const closing = await connectMemory(new MemoryBroker());
    const answers = new AnswerPacker(closing, new Subjects("pack"), (error) => lost.push(error));
    answers.publish("caller", "call", header(1), new Uint8Array(1), "");
    answers.acknowledge({ acknowledge: () => closing.publish("pack.ack", new Uint8Array(0)) });
    await closing.close();
    await Promise.resolve();
    expect(lost.splice(0).map(String)).toEqual([expect.stringContaining("closed"), expect.stringContaining("closed")]);
  });
});
