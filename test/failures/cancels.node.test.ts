// Real worker processes: what the test itself runs on makes no difference.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { CancelJanitor } from "../../src/rpc/queue/cancel-janitor.ts";
import { until } from "../support/program.ts";
import { pause } from "../support/waiting.ts";
import { Recorded } from "./recorded.ts";

let world: Recorded;
beforeAll(async () => {
  world = await Recorded.open();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

const canceled = { excused: ["Canceled"] };

describe("a cancel", () => {
  test("ends requests that run, wait, stream and were handed on, and leaves nothing of them", async () => {
    const worker = await world.recorded({ slots: 4 });
    const client = await world.client();
    const before = await world.baseline(client, [worker]);
    const stop = new AbortController();
    const { signal } = stop;
    const long = { parameters: { ms: 30_000 }, signal };
    const running = Array.from({ length: 3 }, () => world.ledger.call(client, "work", long));
    const handedOn = world.ledger.call(client, "passing", long);
    for (const { id } of running) await world.begun(id);
    await world.begun(handedOn.id, 2);
    // All slots of "work" are taken.
    const waiting = Array.from({ length: 20 }, () => world.ledger.call(client, "work", { signal }));
    const waitingToo = Array.from({ length: 3 }, () => world.ledger.call(client, "passing", { signal }));
    const streams = Array.from(
      { length: 4 },
      () => world.ledger.stream(client, "pieces", { parameters: { count: 1_000, ms: 20 }, signal }),
    );
    for (const { id } of [...waitingToo, ...streams]) await world.begun(id);
    await until("pieces come", () => streams.every(({ items }) => items > 2));
    await pause(300);
    stop.abort();
    await world.check(client, [worker], { ...canceled, before });
    expect(world.ledger.outcomes()).toEqual({ Canceled: 31 });
    const runs = await world.executions();
    const of = (ids: readonly { id: string }[], operator: string) =>
      runs.filter((run) => run.operator === operator && ids.some(({ id }) => id === run.id)).map(({ ended }) => ended);
    expect(of([...running, handedOn], "work")).toEqual(["aborted", "aborted", "aborted", "aborted"]);
    expect(of(streams, "pieces")).toEqual(["aborted", "aborted", "aborted", "aborted"]);
    expect(of([...waiting, ...waitingToo], "work")).toEqual([]);
    // The slots are free again.
    for (let i = 0; i < 8; i++) world.ledger.call(client, "work");
    await world.check(client, [worker], { ...canceled, before });
  });

  test("holds for a worker that starts only later, though its caller has gone since", async () => {
    const client = await world.client();
    const hasty = await world.client();
    await client.declare("work");
    const entries = Array.from({ length: 20 }, () => world.ledger.call(hasty, "work"));
    const kept = world.ledger.call(client, "work", { id: "kept" });
    await until("they are stored", async () => await stored("work") === 21);
    // Closing a client cancels what it has open.
    await hasty.close();
    await Promise.all(entries.map(({ done }) => done));
    const worker = await world.recorded();
    expect(await kept.done).toBe("ok");
    await world.check(client, [worker], canceled);
    expect((await world.executions()).map(({ id }) => id)).toEqual(["kept"]);

    async function stored(name: string): Promise<number> {
      const info = await client.bus.request(`$JS.API.STREAM.INFO.wb+${world.namespace}+q+${name}`, new Uint8Array(0));
      return (JSON.parse(new TextDecoder().decode(info.payload)) as { state: { messages: number } }).state.messages;
    }
  });

  test("reaches a request that was handed on to an operator whose worker starts only later", async () => {
    const passing = await world.recorded({ operators: ["passing"] });
    const client = await world.client();
    await client.declare("work");
    const stop = new AbortController();
    const handedOn = Array.from({ length: 5 }, () => world.ledger.call(client, "passing", { signal: stop.signal }));
    for (const { id } of handedOn) await world.begun(id);
    await pause(500);
    stop.abort();
    await Promise.all(handedOn.map(({ done }) => done));
    const working = await world.recorded({ operators: ["work"] });
    expect(await world.ledger.call(client, "work", { id: "after" }).done).toBe("ok");
    await world.check(client, [passing, working], canceled);
    const runs = await world.executions();
    expect(runs.filter(({ operator }) => operator === "work").map(({ id }) => id)).toEqual(["after"]);
  });

  test("is carried out by the supervisor where no worker comes at all", async () => {
    const client = await world.client();
    await client.declare("work");
    const janitor = new CancelJanitor(client.bus, client.caller.subjects);
    try {
      const stop = new AbortController();
      for (let i = 0; i < 10; i++) world.ledger.call(client, "work", { signal: stop.signal });
      await pause(300);
      stop.abort();
      await world.check(client, [], canceled);
    } finally {
      await janitor.close();
    }
  });

  test("of a request whose worker was killed meanwhile is not forgotten until another one gets it", async () => {
    const victim = await world.recorded();
    const client = await world.client();
    const stop = new AbortController();
    const entry = world.ledger.call(client, "work", { parameters: { ms: 30_000 }, signal: stop.signal });
    await world.begun(entry.id);
    await victim.kill("SIGKILL");
    stop.abort();
    expect(await entry.done).toBe("Canceled");
    await pause(200);
    await client.close();
    const other = await world.recorded();
    const second = await world.client();
    expect(await world.ledger.call(second, "work", { id: "after" }).done).toBe("ok");
    await world.check(second, [other], canceled);
    expect((await world.executions()).map(({ id }) => id)).toEqual([entry.id, "after"]);
  });
});
