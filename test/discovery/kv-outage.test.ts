import process from "node:process";
import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { kvWorld } from "./kv-world.ts";
import { declaration, eventually, serving, sleep, Story } from "./support.ts";

describe("discovery when the broker is restarted", () => {
  for (const storage of ["memory", "file"] as const) {
    test(`has everything again with ${storage} storage, and watchers notice nothing`, async () => {
      const world = await kvWorld();
      const worker = await world.join({ storage });
      const client = await world.join({ storage });
      await worker.discovery.declare(declaration("encoder", "1"));
      await worker.discovery.register(serving("a"), { leaseMs: 1000 });
      const story = new Story();
      const watch = await client.discovery.watch(story.listener);
      await world.broker.kill();
      // Longer than the lease.
      await sleep(1500);
      await world.broker.restart();
      await eventually(async () =>
        await client.discovery.instance("a", { timeoutMs: 500 }).catch(() => undefined) !== undefined
      );
      await eventually(async () => await client.discovery.declaration("encoder").catch(() => undefined) !== undefined);
      await client.discovery.register(serving("b"));
      await story.until("up b");
      await sleep(1500);
      expect(story.lines.sort()).toEqual(["declared encoder 1", "ready", "up a", "up b"]);
      expect(watch.instances().map(({ instance }) => instance).sort()).toEqual(["a", "b"]);
      await world.close();
    });
  }

  test("notices who died meanwhile", async () => {
    const world = await kvWorld();
    const worker = await world.join();
    const client = await world.join();
    await worker.discovery.register(serving("a"), { leaseMs: 500 });
    const story = new Story();
    const watch = await client.discovery.watch(story.listener);
    await world.broker.kill();
    await worker.crash();
    await sleep(1000);
    expect(story.lines).toEqual(["up a", "ready"]);
    await world.broker.restart();
    await story.until("gone a (expired)");
    await watch.close();
    await world.close();
  });

  test("thinks nobody gone while the broker hangs", async () => {
    const world = await kvWorld();
    const worker = await world.join();
    const client = await world.join({ heartbeatMs: 100 });
    await worker.discovery.register(serving("a"), { leaseMs: 600 });
    const story = new Story();
    const watch = await client.discovery.watch(story.listener);
    process.kill(world.broker.pid, "SIGSTOP");
    await sleep(2000);
    process.kill(world.broker.pid, "SIGCONT");
    await sleep(1500);
    expect(story.lines).toEqual(["up a", "ready"]);
    await worker.crash();
    await story.until("gone a (expired)");
    await watch.close();
    await world.close();
  });

  test("cannot tell anything while it is away, and can afterwards", async () => {
    const world = await kvWorld();
    const { discovery } = await world.join({ storage: "file" });
    await discovery.declare(declaration("encoder", "1"));
    await world.broker.kill();
    const options = { timeoutMs: 200 };
    await expect(discovery.declaration("encoder", options)).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(discovery.instances({}, options)).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(discovery.register(serving("a"), options)).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(discovery.watch(() => {}, options)).rejects.toMatchObject({ code: Code.Unavailable });
    await world.broker.restart();
    await eventually(async () => await discovery.declaration("encoder").catch(() => undefined) !== undefined);
    await world.close();
  });

  test("starts a watch anew when the broker forgot its consumer", async () => {
    const world = await kvWorld();
    const worker = await world.join();
    const client = await world.join({ heartbeatMs: 150 });
    await worker.discovery.declare(declaration("encoder", "1"));
    const story = new Story();
    const watch = await client.discovery.watch(story.listener);
    const list = async () => {
      const answer = await worker.bus.request("$JS.API.CONSUMER.NAMES.KV_wb_demo", new Uint8Array(0));
      return (JSON.parse(new TextDecoder().decode(answer.payload)) as { consumers: string[] }).consumers;
    };
    const [name] = await list();
    await worker.bus.request(`$JS.API.CONSUMER.DELETE.KV_wb_demo.${name}`, new Uint8Array(0));
    await worker.discovery.declare(declaration("decoder", "1"));
    await story.until("declared decoder 1");
    expect(story.lines).toEqual(["declared encoder 1", "ready", "declared decoder 1"]);
    await watch.close();
    await eventually(async () => (await list()).length === 0);
    await world.close();
  });
});
