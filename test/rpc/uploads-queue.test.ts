import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { errorDetail } from "../../src/rpc/error.ts";
import type { Broker } from "../../src/testing/nats-server.ts";
import { until } from "../support/program.ts";
import { aborted, collect, failure, gate } from "../support/waiting.ts";
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

async function world(): Promise<QueueWorld> {
  const joined = await QueueWorld.join(broker);
  worlds.push(joined);
  return joined;
}

async function* echo(texts: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of texts) yield text;
}

/** Texts without end that say when they are let go. */
function source(...given: string[]): { left: boolean; asked: number; texts: () => AsyncGenerator<string> } {
  const state = {
    left: false,
    asked: 0,
    async *texts() {
      try {
        for (let i = 0;; i++) {
          state.asked++;
          yield given[i] ?? "more";
        }
      } finally {
        state.left = true;
      }
    },
  };
  return state;
}

describe("a queued call whose caller streams", () => {
  test("is stored with its first message, and sends the others to the worker that takes it", async () => {
    const w = await world();
    const caller = await w.caller();
    const texts = source("a", "b", "c");
    const answers = caller.converse(texts.texts());
    const first = answers.next();
    await until("it is stored", async () => await w.stored() === 1);
    expect(texts.asked).toBe(2);
    await w.worker({ converse: echo });
    expect((await first).value).toBe("a");
    expect((await answers.next()).value).toBe("b");
    expect(await w.stored()).toBe(0);
    await answers.return(undefined);
    await until("the source is let go", () => texts.left);
  });

  test("is not delivered again once its worker takes messages, and fails unavailable when that one dies", async () => {
    const w = await world();
    const caller = await w.caller();
    const worker = await w.worker({ converse: echo });
    const answers = caller.converse(source("a").texts());
    expect((await answers.next()).value).toBe("a");
    let runs = 0;
    await w.worker({
      converse: async function* (texts) {
        runs++;
        yield* texts;
      },
    });
    await worker.crash();
    const error = await failure(collect(answers));
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "INSTANCE_LOST"]);
    expect([runs, await w.stored()]).toEqual([0, 0]);
  });

  test("waits for a free slot without sending more than its first message", async () => {
    const w = await world();
    const caller = await w.caller();
    const busy = gate();
    await w.worker({
      maxInflight: 1,
      infer: async (text) => (await busy.promise, text),
      converse: echo,
    });
    const before = caller.infer("x");
    const texts = source("a", "b");
    const answers = caller.converse(texts.texts());
    const first = answers.next();
    await until("both are stored", async () => await w.stored() === 2);
    busy.open();
    expect(await before).toBe("x");
    expect((await first).value).toBe("a");
    expect((await answers.next()).value).toBe("b");
    await answers.return(undefined);
  });

  test("that is canceled in the queue is never run, and lets its source go", async () => {
    const w = await world();
    const caller = await w.caller();
    const stop = new AbortController();
    const texts = source("a");
    const answer = failure(collect(caller.converse(texts.texts(), { signal: stop.signal })));
    await until("it is stored", async () => await w.stored() === 1);
    stop.abort();
    expect((await answer).code).toBe(Code.Canceled);
    await until("the source is let go", () => texts.left);
    let runs = 0;
    await w.worker({
      converse: async function* (all) {
        runs++;
        yield* all;
      },
    });
    await until("it is gone", async () => await w.stored() === 0);
    expect(runs).toBe(0);
  });

  test("ends everywhere when it is canceled while it talks directly to one instance", async () => {
    const w = await world();
    const caller = await w.caller();
    const ended = gate<unknown>();
    const worker = await w.worker({
      converse: async function* (texts, { signal }) {
        for await (const text of texts) {
          yield text;
          await aborted(signal).catch(ended.open);
        }
      },
    });
    const stop = new AbortController();
    const answers = caller.converse(source("a", "b").texts(), { instance: worker.server.instance, signal: stop.signal });
    expect((await answers.next()).value).toBe("a");
    stop.abort();
    expect((await failure(answers.next())).code).toBe(Code.Canceled);
    await ended.promise;
    await until("the slot is free", () => worker.operator.inflight === 0);
  });
});
