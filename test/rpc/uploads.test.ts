import { afterEach, describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorDetail } from "../../src/rpc/error.ts";
import { until } from "../support/program.ts";
import { aborted, collect, failure, gate, pause } from "../support/waiting.ts";
import { UploadWorld } from "./upload-world.ts";

const worlds: UploadWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

function world(options: ConstructorParameters<typeof UploadWorld>[0] = {}): UploadWorld {
  const made = new UploadWorld(options);
  worlds.push(made);
  return made;
}

/** Texts that count what was asked of them, and whether they were let go. */
function counted(total: number, bytes = 1): { asked: number; left: boolean; texts: () => AsyncGenerator<string> } {
  const state = {
    asked: 0,
    left: false,
    async *texts() {
      try {
        for (let i = 0; i < total; i++) {
          state.asked++;
          yield `${i}`.padEnd(bytes);
        }
      } finally {
        state.left = true;
      }
    },
  };
  return state;
}

async function* echo(texts: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const text of texts) yield text;
}

describe("a caller that streams", () => {
  test("gets one answer to many messages, to one, and to none", async () => {
    const w = world();
    w.serve(echo);
    expect(await w.gather(counted(300).texts())).toBe(Array.from({ length: 300 }, (_, i) => i).join(""));
    expect(await w.gather(counted(1).texts())).toBe("0");
    expect(await w.gather(counted(0).texts())).toBe("");
    expect(w.caller.openCalls).toBe(0);
  });

  test("has an answer to each message before it sends the next", async () => {
    const w = world();
    w.serve(echo);
    const answers: string[] = [];
    let turn = gate();
    const texts = async function* () {
      for (let i = 0; i < 5; i++) {
        yield `${i}`;
        await turn.promise;
        turn = gate();
      }
    };
    for await (const answer of w.converse(texts())) {
      answers.push(answer);
      turn.open();
    }
    expect(answers).toEqual(["0", "1", "2", "3", "4"]);
  });

  test("can hear an answer before it says anything", async () => {
    const w = world();
    w.serve(async function* (texts) {
      yield "welcome";
      yield* texts;
    });
    const heard = gate<string>();
    const texts = async function* () {
      yield `re: ${await heard.promise}`;
    };
    const got: string[] = [];
    for await (const answer of w.converse(texts())) {
      got.push(answer);
      heard.open(answer);
    }
    expect(got).toEqual(["welcome", "re: welcome"]);
  });

  test("stops sending when the answers end early, and its source is let go", async () => {
    const w = world();
    w.serve(async function* (texts) {
      for await (const text of texts) {
        yield text;
        if (text === "3") return;
      }
    });
    const source = counted(1_000_000);
    expect(await collect(w.converse(source.texts()))).toEqual(["0", "1", "2", "3"]);
    await until("the source is let go", () => source.left);
    expect(source.asked).toBeLessThan(200);
  });

  test("sends empty messages, which are messages", async () => {
    const w = world();
    w.serve(async function* (texts) {
      let count = 0;
      for await (const text of texts) if (text === "") count++;
      yield `${count}`;
    });
    const texts = async function* () {
      for (let i = 0; i < 3; i++) yield "";
    };
    expect(await w.gather(texts())).toBe("3");
  });
});

describe("a slow instance", () => {
  test("holds the source up after a bounded number of messages", async () => {
    const w = world();
    let taken = 0;
    let ahead = 0;
    const source = counted(1_000);
    w.serve(async function* (texts) {
      for await (const _ of texts) {
        if (++taken % 100 === 0) await pause(10);
        ahead = Math.max(ahead, source.asked - taken);
      }
      yield `${taken}`;
    });
    expect(await w.gather(source.texts())).toBe("1000");
    expect(ahead).toBeLessThanOrEqual(66);
  });

  test("holds it up after a bounded number of bytes", async () => {
    const w = world();
    const open = gate();
    const size = 512 * 1024;
    const source = counted(40, size);
    w.serve(async function* (texts) {
      await open.promise;
      let count = 0;
      for await (const _ of texts) count++;
      yield `${count}`;
    });
    const answer = w.gather(source.texts());
    await until("nothing moves any more", async () => {
      const before = source.asked;
      await pause(50);
      return before > 0 && source.asked === before;
    });
    // Four MiB on their way, and one message that was asked for.
    expect(source.asked).toBeLessThanOrEqual(4 * 1024 * 1024 / size + 2);
    open.open();
    expect(await answer).toBe("40");
  });

  test("that reads no more leaves the source where it is until the call ends", async () => {
    const w = world();
    const source = counted(1_000);
    const end = gate();
    w.serve(async function* (texts) {
      for await (const _ of texts) break;
      await end.promise;
      yield "enough";
    });
    const answer = w.gather(source.texts());
    await until("the credit is used up", () => source.asked >= 64);
    expect(source.left).toBe(false);
    end.open();
    expect(await answer).toBe("enough");
    await until("the source is let go", () => source.left);
    expect(source.asked).toBeLessThanOrEqual(66);
  });
});

describe("an upload that loses frames", () => {
  test("goes on when credits get lost, as they are repeated with the heartbeats", async () => {
    const w = world();
    w.serve(echo);
    let lost = 0;
    w.lose = ({ to, bytes }) => to === "caller" && bytes === 0 && lost++ < 2;
    expect((await w.gather(counted(200).texts())).length).toBe(490);
    expect(lost).toBeGreaterThan(1);
  });

  test("fails data_loss at both sides when a message is missing, and its source is let go", async () => {
    const w = world();
    let reason: unknown;
    w.serve(async function* (texts, context) {
      context.signal.addEventListener("abort", () => reason = context.signal.reason);
      for await (const _ of texts);
      yield "never";
    });
    let items = 0;
    w.lose = ({ to, bytes }) => to === "service" && bytes > 0 && ++items === 3;
    const source = counted(1_000_000);
    const error = await failure(w.gather(source.texts()));
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.DataLoss, "MESSAGE_MISSING"]);
    expect(error.rawMessage).toContain("frame 3 is missing, got 4");
    expect(ConnectError.from(reason).code).toBe(Code.DataLoss);
    await until("the source is let go", () => source.left);
  });

  test("fails data_loss when the last message before a pause is missing", async () => {
    const w = world();
    w.serve(echo);
    w.lose = ({ to, bytes }) => to === "service" && bytes > 0;
    const texts = async function* () {
      // Not with the request, which would not be a stream's loss.
      await pause(20);
      yield "lost";
      await new Promise(() => {});
    };
    const error = await failure(collect(w.converse(texts())));
    expect(error.code).toBe(Code.DataLoss);
  });

  test("fails data_loss when the last answer before a pause is missing", async () => {
    const w = world();
    w.serve(echo);
    const texts = async function* () {
      yield "one";
      await new Promise(() => {});
    };
    w.lose = ({ to, bytes }) => to === "caller" && bytes > 0;
    expect((await failure(collect(w.converse(texts())))).code).toBe(Code.DataLoss);
  });

  test("says again that nothing follows when that got lost", async () => {
    const w = world();
    w.serve(echo);
    let lost = 0;
    w.lose = ({ to, bytes }) => to === "service" && bytes === 0 && lost++ === 0;
    expect(await w.gather(counted(3).texts())).toBe("012");
    expect(w.heard.map(({ kind }) => kind)).toEqual(["request", "item", "item", "half-close"]);
    expect(lost).toBe(2);
  });
});

describe("an upload that ends early", () => {
  test("ends with its handler's error, at once", async () => {
    const w = world();
    w.serve(async function* (texts) {
      for await (const text of texts) if (text === "7") throw new ConnectError("No sevens", Code.OutOfRange);
      yield "never";
    });
    const source = counted(1_000_000);
    const error = await failure(w.gather(source.texts()));
    expect([error.code, error.rawMessage]).toEqual([Code.OutOfRange, "No sevens"]);
    await until("the source is let go", () => source.left);
  });

  test("is canceled with its source's error, and the handler knows", async () => {
    const w = world();
    const reasons: unknown[] = [];
    w.serve(async function* (texts) {
      try {
        for await (const _ of texts);
      } catch (error) {
        reasons.push(error);
        throw error;
      }
      yield "never";
    });
    const texts = async function* () {
      yield "one";
      await pause(10);
      throw new ConnectError("The disk is gone", Code.DataLoss);
    };
    expect((await failure(w.gather(texts()))).rawMessage).toBe("The disk is gone");
    await until("the handler knows", () => reasons.length === 1);
    expect(ConnectError.from(reasons[0]).code).toBe(Code.Canceled);
  });

  test("is canceled by its signal while it sends, while it waits for credit and while its source waits", async () => {
    const w = world();
    const ended: unknown[] = [];
    w.serve(async function* (texts, { signal }) {
      signal.addEventListener("abort", () => ended.push(signal.reason), { once: true });
      for await (const text of texts) if (text === "block") await aborted(signal);
      yield "never";
    });
    const sources: Record<string, () => AsyncGenerator<string>> = {
      async *sending() {
        for (let i = 0;; i++) {
          yield `${i}`;
          if (i % 100 === 0) await pause(1);
        }
      },
      async *blocked() {
        for (;;) yield "block";
      },
      async *waiting() {
        yield "one";
        await new Promise(() => {});
      },
    };
    for (const [index, source] of Object.values(sources).entries()) {
      const stop = new AbortController();
      const answer = w.gather(source(), { signal: stop.signal });
      setTimeout(() => stop.abort(), 30);
      expect((await failure(answer)).code).toBe(Code.Canceled);
      await until("the handler knows", () => ended.length === index + 1);
    }
    expect(w.caller.openCalls).toBe(0);
  });

  test("ends at its deadline: both sides know", async () => {
    const w = world();
    const codes: Code[] = [];
    w.serve(async function* (texts) {
      try {
        for await (const _ of texts);
      } catch (error) {
        codes.push(ConnectError.from(error).code);
        throw error;
      }
      yield "never";
    });
    const texts = async function* () {
      yield "one";
      await new Promise(() => {});
    };
    expect((await failure(w.gather(texts(), { timeoutMs: 120 }))).code).toBe(Code.DeadlineExceeded);
    await until("the handler knows", () => codes.length === 1);
    expect([Code.DeadlineExceeded, Code.Canceled]).toContain(codes[0] as Code);
  });

  test("ends no process whose caller does not read yet", async () => {
    const w = world();
    w.serve(async function* (texts) {
      for await (const _ of texts);
      yield "never";
    });
    const answers = w.client().bidiStream(
      (async function* () {
        yield {};
        await new Promise(() => {});
      })(),
      { timeoutMs: 60 },
    )[Symbol.asyncIterator]();
    await until("the service has it", () => w.credits.length > 0);
    await until("the call has failed", () => w.caller.openCalls === 0);
    // Some turns of the loop, in which a rejection that nobody awaits would be reported.
    await pause(20);
    expect((await failure(answers.next())).code).toBe(Code.DeadlineExceeded);
  });

  test("tells the handler when the caller is gone in the middle of it", async () => {
    const w = world();
    const ended = gate<unknown>();
    w.serve(async function* (texts) {
      try {
        for await (const _ of texts);
      } catch (error) {
        ended.open(error);
        throw error;
      }
      yield "never";
    });
    const texts = async function* () {
      yield "one";
      await new Promise(() => {});
    };
    const answer = failure(w.gather(texts()));
    await until("the service has it", () => w.credits.length > 0);
    await w.bus.close();
    expect(ConnectError.from(await ended.promise).rawMessage).toBe("The caller is gone");
    expect((await answer).code).toBe(Code.Unavailable);
  });

  test("fails unavailable when the instance vanishes", async () => {
    const w = world({ probeMs: 200 });
    const served = w.serve(echo);
    const texts = async function* () {
      yield "one";
      await new Promise(() => {});
    };
    const answers = w.converse(texts());
    expect((await answers.next()).value).toBe("one");
    // As if its process were killed: nothing is said any more, and nobody listens.
    await served.server.bus.close();
    const error = await failure(answers.next());
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "INSTANCE_LOST"]);
  });
});

describe("a message that fits no frame", () => {
  test("ends the stream with both sizes", async () => {
    const w = world();
    w.serve(echo);
    const error = await failure(w.gather(counted(3, 2 * 1024 * 1024).texts()));
    expect([error.code, errorDetail(error)?.reason]).toEqual([Code.ResourceExhausted, "MESSAGE_TOO_LARGE"]);
    expect(error.rawMessage).toMatch(/takes 2097\d{3} bytes, more than the broker's 1048064/);
  });
});
