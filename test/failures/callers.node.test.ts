// Real worker and client processes: once is enough, and what the test itself runs on makes no difference.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { callApi } from "../../src/rpc/queue/jetstream-api.ts";
import { Subjects } from "../../src/rpc/subjects.ts";
import { until } from "../support/program.ts";
import { openRelay } from "../support/relay.ts";
import { failure, gate } from "../support/waiting.ts";
import { Troubled } from "./troubled.ts";

let world: Troubled;
beforeAll(async () => {
  world = await Troubled.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

async function stored(client: Awaited<ReturnType<Troubled["client"]>>, operator: string): Promise<number> {
  const stream = new Subjects(client.namespace).queueStream(operator);
  return (await callApi<{ state: { messages: number } }>(client.bus, `STREAM.INFO.${stream}`)).state.messages;
}

describe("a client", () => {
  test("whose process is killed while its request runs ends the request within seconds", async () => {
    const worker = await world.worker();
    const client = world.program("test/fixtures/lonely-client.ts", [world.broker.tcpUrl, world.namespace, "hang"]);
    await worker.waitFor(/@hanging/);
    await client.kill("SIGKILL");
    await worker.waitFor(/@aborted .*The caller is gone/, 20_000);
    // The slot is free again, and the request is not run once more.
    const other = await world.client();
    await until("nothing is stored", async () => await stored(other, "hang") === 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(worker.count(/@hanging/)).toBe(1);
  });
});

describe("a client that streams", () => {
  test("and whose process is killed in the middle of it ends the handler within seconds", async () => {
    const worker = await world.worker();
    const args = [world.broker.tcpUrl, world.namespace, "hang", "talking"];
    const client = world.program("test/fixtures/lonely-client.ts", args);
    await worker.waitFor(/@hanging/);
    await client.kill("SIGKILL");
    await worker.waitFor(/@aborted .*The caller is gone/, 20_000);
    expect(worker.count(/@hanging/)).toBe(1);
  });

  test("goes on talking after a lost connection, if nothing was on its way", async () => {
    await world.worker();
    const relay = await openRelay(world.broker.tcpUrl);
    try {
      const client = await world.client({}, relay.url);
      let turn = gate();
      const inputs = async function* () {
        for (let i = 0; i < 4; i++) {
          yield { i: Int32Array.of(i) };
          await turn.promise;
          turn = gate();
        }
      };
      const got: number[] = [];
      for await (const { i } of client.operator("echo").stream(inputs())) {
        got.push(...(await i!.fetch()).toNumbers());
        if (got.length === 2) {
          const back = gate();
          const off = client.bus.onStatus(({ type }) => type === "reconnect" && back.open());
          relay.cut();
          await back.promise;
          off();
        }
        turn.open();
      }
      expect(got).toEqual([0, 1, 2, 3]);
    } finally {
      await relay.close();
    }
  });
});

describe("a client that streams much", () => {
  test("over a connection that breaks again and again gets all of it or an error, and no answer twice, missing or mixed up", async () => {
    await world.worker();
    const relay = await openRelay(world.broker.tcpUrl);
    const client = await world.client({}, relay.url);
    const total = 3_000;
    const inputs = async function* () {
      for (let i = 0; i < total; i++) yield { i: Int32Array.of(i) };
    };
    const codes: (Code | "whole")[] = [];
    try {
      for (let round = 0; round < 6; round++) {
        const got: number[] = [];
        let code: Code | "whole" = "whole";
        try {
          for await (const { i } of client.operator("echo").stream(inputs(), { timeoutMs: 20_000 })) {
            got.push(...(await i!.fetch()).toNumbers());
            if (got.length === 200 * (round + 1)) relay.cut();
          }
        } catch (error) {
          code = ConnectError.from(error).code;
        }
        codes.push(code);
        expect(got).toEqual(Array.from({ length: got.length }, (_, i) => i));
        if (code === "whole") expect(got.length).toBe(total);
        await until("the connection is back", () => client.bus.connected);
      }
    } finally {
      await relay.close();
    }
    expect(codes.filter((code) => code !== "whole" && code !== Code.DataLoss && code !== Code.Unavailable)).toEqual([]);
  });
});

describe("an abort", () => {
  test("[C1] before a worker takes the request deletes it", async () => {
    const worker = await world.worker();
    const client = await world.client();
    const [first, second] = [new AbortController(), new AbortController()];
    const running = failure(client.operator("hang").infer({}, { signal: first.signal }));
    await worker.waitFor(/@hanging/);
    const queued = failure(client.operator("hang").infer({}, { signal: second.signal }));
    await until("both are stored", async () => await stored(client, "hang") === 2);
    second.abort();
    expect((await queued).code).toBe(Code.Canceled);
    await until("one is deleted", async () => await stored(client, "hang") === 1);
    first.abort();
    expect((await running).code).toBe(Code.Canceled);
    await worker.waitFor(/@aborted/);
    await until("none is left", async () => await stored(client, "hang") === 0);
    expect(worker.count(/@hanging/)).toBe(1);
  });

  test("[C2] while the request runs fires its signal, whatever way it came", async () => {
    const worker = await world.worker();
    const client = await world.client();
    for (const options of [{}, { mode: "direct" }, { mode: "at-most-once" }, { instance: worker.instance }] as const) {
      const before = worker.count(/@aborted/);
      const stop = new AbortController();
      const answer = failure(client.operator("hang", options).infer({}, { signal: stop.signal }));
      await until("it runs", () => worker.count(/@hanging/) === before + 1);
      stop.abort();
      expect((await answer).code).toBe(Code.Canceled);
      await until("it is aborted", () => worker.count(/@aborted .*canceled by its caller/) === before + 1);
    }
  });

  test("[C3] in the middle of a stream ends it on both sides", async () => {
    const worker = await world.worker();
    const client = await world.client();
    const stop = new AbortController();
    const pieces = client.operator("pieces").stream({}, { signal: stop.signal, parameters: { count: 5, hangAfter: 1 } });
    await pieces.next();
    await worker.waitFor(/@piece 1/);
    stop.abort();
    const rest = async () => {
      for await (const _ of pieces);
    };
    expect((await failure(rest())).code).toBe(Code.Canceled);
    await worker.waitFor(/@aborted .*canceled by its caller/);
  });

  test("by leaving the loop of a stream ends it on the far side", async () => {
    const worker = await world.worker();
    const client = await world.client();
    for await (const _ of client.operator("pieces").stream({}, { parameters: { count: 5, hangAfter: 0 } })) break;
    await worker.waitFor(/@aborted .*canceled by its caller/);
  });

  test("[C4] of a request reaches what that calls", async () => {
    const worker = await world.worker();
    const client = await world.client();
    const stop = new AbortController();
    const answer = failure(client.operator("parent").infer({}, { signal: stop.signal }));
    await worker.waitFor(/@hanging/);
    stop.abort();
    expect((await answer).code).toBe(Code.Canceled);
    await worker.waitFor(/@aborted .*canceled by its caller/);
  });

  test("[C6] by its deadline reaches what that calls", async () => {
    const worker = await world.worker();
    const client = await world.client();
    const error = await failure(client.operator("parent").infer({}, { timeoutMs: 1_500 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
    await worker.waitFor(/@aborted/);
  });
});
