import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { randomId } from "../../src/rpc/ids.ts";
import { declaration, eventually, instance, type Participant, serving, sleep, Story, type World } from "./support.ts";

const LEASE_MS = 400;
/** No renewal comes before the test is over. */
const LONG = { leaseMs: 60_000 };

/** What holds for every discovery that can be written to. Names are random: the tests share one store. */
export function describeDiscovery(name: string, create: () => Promise<World>): void {
  describe(name, () => {
    let world: World;
    let one: Participant;
    let other: Participant;
    beforeAll(async () => {
      world = await create();
      one = await world.join();
      other = await world.join();
    });
    afterAll(() => world.close());
    const mine = (story: Story, id: string) => story.lines.filter((line) => line.includes(id));

    test("shows a registered instance to others, with all its fields", async () => {
      const id = randomId();
      const registration = await one.discovery.register(
        instance({
          instance: id,
          name: "encoder.0",
          runtime: "bun",
          host: "host ünïcode",
          pid: 42,
          startedAtMs: 1_700_000_000_000n,
          operators: [{ name: id, version: "2", maxInflight: 8, inputs: [{ name: "x", dtype: "FP32", shape: [-1n, 3n] }] }],
          node: "node1",
          ways: [{ kind: { case: "http", value: { url: "http://127.0.0.1:1" } } }],
        }),
        LONG,
      );
      expect(registration.record.leaseMs).toBe(60_000);
      expect(await other.discovery.instance(id)).toEqual(registration.record);
      expect(await other.discovery.instances({ operator: id })).toEqual([registration.record]);
      expect(await other.discovery.instances({ operator: id, version: "2" })).toHaveLength(1);
      expect(await other.discovery.instances({ operator: id, version: "1" })).toEqual([]);
      await registration.close();
      await registration.close();
      expect(await other.discovery.instance(id)).toBe(undefined);
      expect(await other.discovery.instances({ operator: id })).toEqual([]);
    });

    test("keeps an instance for longer than its lease while it renews it", async () => {
      const id = randomId();
      const story = new Story();
      const watch = await other.discovery.watch(story.listener);
      const registration = await one.discovery.register(serving(id), { leaseMs: LEASE_MS });
      await sleep(6 * LEASE_MS);
      expect(await other.discovery.instance(id)).toBeDefined();
      expect(mine(story, id)).toEqual([`up ${id}`]);
      await registration.close();
      await story.until(`gone ${id} (closed)`);
      await watch.close();
    });

    test("drops the instance of a process that died", async () => {
      const id = randomId();
      const dying = await world.join();
      const story = new Story();
      const watch = await other.discovery.watch(story.listener);
      await dying.discovery.register(serving(id), { leaseMs: LEASE_MS });
      await story.until(`up ${id}`);
      await dying.crash();
      await story.until(`gone ${id} (expired)`);
      await eventually(async () => await other.discovery.instance(id) === undefined);
      expect(mine(story, id)).toEqual([`up ${id}`, `gone ${id} (expired)`]);
      await watch.close();
    });

    test("tells a watcher what there is, then each change once", async () => {
      const id = randomId();
      const before = await one.discovery.register(serving(`${id}-0`), LONG);
      await one.discovery.declare(declaration(id, "1"));
      const story = new Story();
      const watch = await other.discovery.watch(story.listener);
      expect(mine(story, id).sort()).toEqual([`declared ${id} 1`, `up ${id}-0`]);
      expect(story.lines.at(-1)).toBe("ready");
      expect(watch.instances().some((record) => record.instance === `${id}-0`)).toBe(true);

      const registration = await one.discovery.register(serving(`${id}-1`), LONG);
      await registration.update({ draining: true });
      await one.discovery.declare(declaration(id, "2"));
      await one.discovery.declare(declaration(id, "1"));
      await one.discovery.undeclare(id);
      await registration.close();
      await before.close();
      await story.until(`gone ${id}-0 (closed)`);
      expect(mine(story, id).slice(2)).toEqual([
        `up ${id}-1`,
        `changed ${id}-1`,
        `declared ${id} 1+2`,
        `undeclared ${id}`,
        `gone ${id}-1 (closed)`,
        `gone ${id}-0 (closed)`,
      ]);
      const changed = story.events.find((event) => event.type === "instance-changed" && event.instance.instance === `${id}-1`);
      expect(changed).toMatchObject({ instance: { draining: true }, previous: { draining: false } });
      expect(watch.declarations().some((one) => one.name === id)).toBe(false);
      await watch.close();
    });

    test("tells nothing after a watch was closed or aborted", async () => {
      const abort = new AbortController();
      const [closed, aborted] = [new Story(), new Story()];
      const watch = await other.discovery.watch(closed.listener);
      await other.discovery.watch(aborted.listener, { signal: abort.signal });
      await watch.close();
      abort.abort();
      const counts = [closed.events.length, aborted.events.length];
      const registration = await one.discovery.register(serving(randomId()), LONG);
      await sleep(100);
      expect([closed.events.length, aborted.events.length]).toEqual(counts);
      await registration.close();
    });

    test("goes on when a listener throws", async () => {
      const id = randomId();
      const story = new Story();
      const watch = await other.discovery.watch((event) => {
        story.listener(event);
        throw new Error("No");
      });
      const registration = await one.discovery.register(serving(id), LONG);
      await story.until(`up ${id}`);
      await registration.close();
      await watch.close();
    });

    test("refuses to update what was closed, and instances that are no ids", async () => {
      const registration = await one.discovery.register(serving(randomId()), LONG);
      await registration.close();
      await expect(registration.update({ draining: true })).rejects.toMatchObject({ code: Code.FailedPrecondition });
      for (const id of ["", "a.b", ">", "a b", "ä", "x".repeat(65)]) {
        await expect(one.discovery.register(serving(id))).rejects.toMatchObject({ code: Code.InvalidArgument });
        await expect(one.discovery.instance(id)).rejects.toMatchObject({ code: Code.InvalidArgument });
      }
      await expect(one.discovery.register(serving("a"), { leaseMs: 100, renewMs: 100 })).rejects.toMatchObject({
        code: Code.InvalidArgument,
      });
    });

    test("merges declarations, the highest version being the default", async () => {
      const name = randomId();
      expect(await other.discovery.declaration(name)).toBe(undefined);
      await one.discovery.declare(Object.assign(declaration(name, "9", "canary"), { maxAttempts: 5, storage: "file" }));
      const merged = await other.discovery.declare(Object.assign(declaration(name, "10"), { maxQueuedAgeMs: 7n }));
      expect(merged).toMatchObject({
        name,
        versions: ["canary", "9", "10"],
        defaultVersion: "10",
        maxAttempts: 5,
        storage: "file",
        maxQueuedAgeMs: 7n,
      });
      expect(await one.discovery.declaration(name)).toEqual(merged);
      expect((await one.discovery.declarations()).filter((one) => one.name === name)).toEqual([merged]);
      await one.discovery.undeclare(name);
      expect(await other.discovery.declaration(name)).toBe(undefined);
      expect((await one.discovery.declarations()).filter((one) => one.name === name)).toEqual([]);
      expect(await one.discovery.declare(declaration(name, "1"))).toMatchObject({ versions: ["1"] });
      await one.discovery.undeclare(name);
    });

    test("withdraws one version of several, and the highest of the others becomes the default", async () => {
      const name = randomId();
      for (const version of ["1", "2", "10"]) await one.discovery.declare(declaration(name, version));
      expect(await other.discovery.withdraw(name, "10")).toMatchObject({ versions: ["1", "2"], defaultVersion: "2" });
      expect(await one.discovery.declaration(name)).toMatchObject({ versions: ["1", "2"], defaultVersion: "2" });
      expect(await other.discovery.withdraw(name, "10")).toBe(undefined);
      expect(await other.discovery.withdraw(name, "1")).toMatchObject({ versions: ["2"] });
      // The last one stays: an operator without versions would be none.
      expect(await other.discovery.withdraw(name, "2")).toBe(undefined);
      expect(await other.discovery.withdraw(randomId(), "1")).toBe(undefined);
      await one.discovery.undeclare(name);
    });

    test("forgets an instance in place of its process, once and for all who watch", async () => {
      const id = randomId();
      const registration = await one.discovery.register(serving(id), LONG);
      const story = new Story();
      const watch = await other.discovery.watch(story.listener);
      const { instance: gone } = registration.record;
      await other.discovery.forget(gone);
      await story.until(`gone ${gone} (closed)`);
      expect(await one.discovery.instance(gone)).toBe(undefined);
      await other.discovery.forget(randomId());
      await registration.close();
      await watch.close();
    });

    test("loses no version when many declare at once", async () => {
      const name = randomId();
      const versions = Array.from({ length: 24 }, (_, at) => String(at + 1));
      await Promise.all(versions.map((version, at) => {
        const { discovery } = at % 2 === 0 ? one : other;
        return discovery.declare(declaration(name, version), { timeoutMs: 20_000 });
      }));
      expect(await one.discovery.declaration(name)).toMatchObject({ versions, defaultVersion: "24" });
      await one.discovery.undeclare(name);
    });

    test("refuses a declaration without name or versions", async () => {
      for (const bad of [declaration("", "1"), declaration("a"), declaration("a", "")]) {
        await expect(one.discovery.declare(bad)).rejects.toMatchObject({ code: Code.InvalidArgument });
      }
    });

    test("keeps names of any characters apart", async () => {
      const id = randomId();
      const names = [
        `${id}.b`,
        `${id}=2eb`,
        `${id} b`,
        `${id}>`,
        `${id}*`,
        `${id}.>`,
        `${id}É`,
        `${id}É`.toLowerCase(),
        `${id}/../b`,
      ];
      for (const name of names) await one.discovery.declare(declaration(name, "1"));
      for (const name of names) expect(await other.discovery.declaration(name)).toMatchObject({ name });
      const stored = (await other.discovery.declarations()).filter(({ name }) => name.startsWith(id)).map(({ name }) => name);
      expect(stored).toEqual([...names].sort());
      expect(await other.discovery.declaration(`${id}`)).toBe(undefined);
      for (const name of names) await one.discovery.undeclare(name);
    });

    test("lists 1,000 operators and instances fast", async () => {
      const id = randomId();
      const names = Array.from({ length: 1000 }, (_, at) => `${id}-${at}`);
      await Promise.all(names.map((name) => one.discovery.declare(declaration(name, "1"), { timeoutMs: 30_000 })));
      await Promise.all(names.map((name) => one.discovery.register(serving(name, id), { ...LONG, timeoutMs: 30_000 })));
      const start = performance.now();
      const found = await other.discovery.declarations();
      expect(found.filter(({ name }) => name.startsWith(id))).toHaveLength(1000);
      expect(await other.discovery.instances({ operator: id })).toHaveLength(1000);
      const story = new Story();
      const watch = await other.discovery.watch(story.listener);
      expect(mine(story, id)).toHaveLength(2000);
      // Tens of milliseconds each on an idle machine; the bound is for busy ones.
      expect(performance.now() - start).toBeLessThan(5000);
      await watch.close();
    });

    test("gives up when aborted", async () => {
      const signal = AbortSignal.abort();
      const calls = [
        one.discovery.declaration("a", { signal }),
        one.discovery.declare(declaration("a", "1"), { signal }),
        one.discovery.instances({}, { signal }),
        one.discovery.register(serving(randomId()), { signal }),
        one.discovery.watch(() => {}, { signal }),
      ];
      for (const call of calls) {
        const error = await call.then(() => undefined, (thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(ConnectError);
        expect(error).toMatchObject({ code: Code.Canceled });
      }
    });

    test("takes its instances back when it is disposed of", async () => {
      const id = randomId();
      const leaving = await world.join();
      await leaving.discovery.register(serving(id), LONG);
      await leaving.discovery[Symbol.asyncDispose]();
      expect(await other.discovery.instance(id)).toBe(undefined);
    });
  });
}
