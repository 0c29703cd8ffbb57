import { afterEach, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { errorDetail } from "../../src/rpc/error.ts";
import { until } from "../support/program.ts";
import { collect, failure, gate, pause } from "../support/waiting.ts";
import { StreamWorld } from "./stream-world.ts";

const worlds: StreamWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

function world(options: ConstructorParameters<typeof StreamWorld>[0] = {}): StreamWorld {
  const made = new StreamWorld(options);
  worlds.push(made);
  return made;
}

/** A stream that counts what it produced. */
function counted(total: number, bytes = 1): { produced: number; left: boolean; stream: () => AsyncGenerator<string> } {
  const state = {
    produced: 0,
    left: false,
    async *stream() {
      try {
        for (let i = 0; i < total; i++) {
          state.produced++;
          yield `${i}`.padEnd(bytes);
        }
      } finally {
        state.left = true;
      }
    },
  };
  return state;
}

describe("a slow reader", () => {
  test("lets the far side run ahead by a bounded number of items", async () => {
    const w = world();
    const source = counted(1_000);
    w.serve(source.stream);
    let taken = 0;
    let ahead = 0;
    for await (const _ of w.stream("x")) {
      if (++taken % 100 === 0) await pause(10);
      ahead = Math.max(ahead, source.produced - taken);
    }
    expect(taken).toBe(1_000);
    expect(ahead).toBeLessThanOrEqual(65);
  });

  test("lets it run ahead by a bounded number of bytes, which streams of one connection share", async () => {
    const w = world({ windowBytes: 1024 * 1024 });
    const size = 64 * 1024;
    const sources = Array.from({ length: 4 }, () => counted(100, size));
    let next = 0;
    w.serve(() => sources[next++]!.stream());
    const readers = sources.map(() => w.stream("x"));
    for (const reader of readers) await reader.next();
    await until("nothing moves any more", async () => {
      const before = sources.reduce((sum, { produced }) => sum + produced, 0);
      await pause(50);
      return sources.reduce((sum, { produced }) => sum + produced, 0) === before;
    });
    const waiting = sources.reduce((sum, { produced }) => sum + produced, 0) * size;
    // The first has the whole window, the second half of it, and so on; each may pass its share by one item and have one made.
    expect(waiting).toBeLessThan(1024 * 1024 * (1 + 1 / 2 + 1 / 3 + 1 / 4) + 4 * 3 * size);
    expect((await Promise.all(readers.map((reader) => collect(reader)))).map(({ length }) => length)).toEqual([99, 99, 99, 99]);
  });

  test("gets items larger than its share one by one", async () => {
    const w = world({ windowBytes: 64 * 1024 });
    w.serve(counted(5, 500 * 1024).stream);
    expect((await collect(w.stream("x"))).length).toBe(5);
  });
});

describe("a stream that loses frames", () => {
  test("goes on when credits get lost, as later ones say more", async () => {
    const w = world();
    let lost = 0;
    w.serve(async function* () {
      for (let i = 0; i < 200; i++) yield `${i}`;
    });
    w.lose = ({ to, bytes }) => to === "service" && bytes === 0 && lost++ < 3;
    expect((await collect(w.stream("x"))).length).toBe(200);
    expect(lost).toBeGreaterThan(2);
  });

  test("fails data_loss when an item is missing, and the far side ends", async () => {
    const w = world();
    const source = counted(1_000_000);
    w.serve(source.stream);
    let items = 0;
    w.lose = ({ to, bytes }) => to === "caller" && bytes > 0 && ++items === 3;
    const got: string[] = [];
    const error = await failure((async () => {
      for await (const item of w.stream("x")) got.push(item);
    })());
    expect(error.code).toBe(Code.DataLoss);
    expect(error.rawMessage).toBe("Cannot read the stream of the streams: frame 3 is missing, got frame 4");
    expect(got).toEqual(["0", "1"]);
    await until("the far side has ended", () => source.left);
  });

  test("gets a lost end again by asking for it", async () => {
    const w = world({ probeMs: 200 });
    w.serve(counted(3).stream);
    let lost = 0;
    w.lose = ({ to, bytes }) => to === "caller" && bytes === 0 && lost++ === 0;
    expect(await collect(w.stream("x"))).toEqual(["0", "1", "2"]);
    expect(lost).toBeGreaterThan(1);
  });

  test("is no short stream when its end never comes: it fails", async () => {
    const w = world();
    w.serve(counted(3).stream);
    w.lose = ({ to, bytes }) => to === "caller" && bytes === 0;
    const got: string[] = [];
    const error = await failure((async () => {
      for await (const item of w.stream("x")) got.push(item);
    })());
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "INSTANCE_LOST"]);
    expect(got).toEqual(["0", "1", "2"]);
  });

  test("fails data_loss when an item comes twice", async () => {
    const { first, items, send } = await world().byHand();
    send("item", { seq: 1, text: "one" });
    send("item", { seq: 1, text: "one" });
    expect((await first).value).toBe("one");
    expect((await failure(items.next())).code).toBe(Code.DataLoss);
  });

  test("fails data_loss when its end counts more items than came", async () => {
    const { first, items, send } = await world().byHand();
    send("item", { seq: 1, text: "one" });
    send("end", { seq: 4 });
    expect((await first).value).toBe("one");
    expect((await failure(items.next())).code).toBe(Code.DataLoss);
  });
});

describe("two executions of one request", () => {
  test("are never mixed once a part of the answer was read, whatever attempt or instance they are", async () => {
    const { first, items, send } = await world().byHand();
    send("item", { seq: 1, text: "a1" });
    send("item", { seq: 1, text: "b1", instance: "b", attempt: 2 });
    send("item", { seq: 2, text: "b2", instance: "b", attempt: 2 });
    send("item", { seq: 2, text: "c2", instance: "c" });
    send("error", { instance: "b", attempt: 2 });
    send("end", { seq: 2, instance: "c" });
    send("item", { seq: 2, text: "a2" });
    send("end", { seq: 3 });
    expect([(await first).value, ...await collect(items)]).toEqual(["a1", "a2"]);
  });

  test("end up as one: the other is told to stop, and its signs of life do not hide that the first is gone", async () => {
    const { first, items, later, send } = await world().byHand();
    send("item", { seq: 1, text: "a1" });
    expect((await first).value).toBe("a1");
    const rest = failure(items.next());
    let over = false;
    void rest.then(() => over = true);
    await until("the first counts as lost", async () => {
      send("heartbeat", { instance: "b", word: "running" });
      await pause(100);
      return over;
    });
    expect(errorDetail(await rest)).toMatchObject({ reason: "INSTANCE_LOST", instance: "a" });
    expect(later.filter(({ kind }) => kind === "cancel").length).toBeGreaterThan(1);
  });

  test("give way to the later one as long as nothing was read", async () => {
    const { first, items, send } = await world().byHand();
    send("heartbeat", { word: "running" });
    send("item", { seq: 1, text: "b1", instance: "b", attempt: 2 });
    send("item", { seq: 1, text: "a1" });
    send("error", {});
    send("end", { seq: 2, instance: "b", attempt: 2 });
    expect([(await first).value, ...await collect(items)]).toEqual(["b1"]);
  });
});

describe("a reader that leaves", () => {
  test("ends the far side", async () => {
    const w = world();
    const source = counted(1_000_000);
    w.serve(source.stream);
    for await (const item of w.stream("x")) if (item === "5") break;
    await until("the far side has ended", () => source.left);
    expect(source.produced).toBeLessThan(200);
    expect(w.caller.openCalls).toBe(0);
  });

  test("ends a far side that waits for credit, and one that waits for something else", async () => {
    const w = world();
    const never = gate();
    const source = counted(1_000);
    let ended = 0;
    w.serve(async function* (what, context) {
      context.signal.addEventListener("abort", () => ended++, { once: true });
      if (what === "credit") yield* source.stream();
      yield "one";
      await never.promise;
    });
    const [full, idle] = [w.stream("credit"), w.stream("idle")];
    await full.next();
    await idle.next();
    await until("it has no credit left", () => source.produced >= 64);
    await full.return(undefined);
    await idle.return(undefined);
    await until("both have ended", () => ended === 2);
    expect(source.left).toBe(true);
  });

  test("is told again when its cancel got lost, at the next sign of life", async () => {
    const w = world();
    const ended = gate();
    w.serve(async function* (_, context) {
      yield "one";
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve, { once: true }));
      ended.open();
    });
    const items = w.stream("x");
    await items.next();
    w.lose = ({ to }) => to === "service";
    await items.return(undefined);
    w.lose = () => false;
    await ended.promise;
  });
});
