import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { MemoryDiscovery, MemoryStore } from "../../src/discovery/mod.ts";
import { describeDiscovery } from "./behaviour.ts";
import { declaration, serving, sleep, Story } from "./support.ts";

const leaseMarginMs = 100;

function memoryWorld(): Promise<
  { join(): Promise<{ discovery: MemoryDiscovery; crash(): Promise<void> }>; close(): Promise<void> }
> {
  const store = new MemoryStore();
  const joined: MemoryDiscovery[] = [];
  return Promise.resolve({
    join() {
      const discovery = new MemoryDiscovery({ store, leaseMarginMs });
      joined.push(discovery);
      return Promise.resolve({
        discovery,
        crash() {
          discovery.disconnect();
          return Promise.resolve();
        },
      });
    },
    async close() {
      for (const discovery of joined) await discovery[Symbol.asyncDispose]();
    },
  });
}

describeDiscovery("MemoryDiscovery", memoryWorld);

describe("discovery through an outage", () => {
  const start = async () => {
    const store = new MemoryStore();
    const worker = new MemoryDiscovery({ store, leaseMarginMs });
    const client = new MemoryDiscovery({ store, leaseMarginMs });
    const story = new Story();
    const watch = await client.watch(story.listener);
    const close = async () => {
      await worker[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
    };
    return { store, worker, client, story, watch, close };
  };

  test("tells a watcher that was cut off the differences only", async () => {
    const { worker, client, story, close } = await start();
    await worker.register(serving("stays"), { leaseMs: 300 });
    const leaves = await worker.register(serving("leaves"), { leaseMs: 300 });
    const changes = await worker.register(serving("changes"), { leaseMs: 300 });
    await story.until("up changes");
    client.disconnect();
    await leaves.close();
    await changes.update({ draining: true });
    await worker.register(serving("comes"), { leaseMs: 300 });
    // Longer than the lease: hearing nothing is no reason to think that anybody is gone.
    await sleep(600);
    expect(story.lines).toEqual(["ready", "up stays", "up leaves", "up changes"]);
    client.reconnect();
    await story.until("up comes");
    await sleep(500);
    expect(story.lines.slice(4).sort()).toEqual(["changed changes", "gone leaves (closed)", "up comes"]);
    await close();
  });

  test("fails reads with unavailable instead of finding nothing", async () => {
    const { client, close } = await start();
    client.disconnect();
    await expect(client.declaration("a")).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(client.instances()).rejects.toMatchObject({ code: Code.Unavailable });
    await expect(client.watch(() => {}, { timeoutMs: 50 })).rejects.toMatchObject({ code: Code.Unavailable });
    await close();
  });

  test("brings back what the store lost, without telling anybody that it was gone", async () => {
    const { store, worker, client, story, close } = await start();
    await worker.register(serving("a"), { leaseMs: 600 });
    await worker.declare(declaration("encoder", "1"));
    await worker.declare(declaration("encoder", "2"));
    worker.disconnect();
    client.disconnect();
    store.clear();
    client.reconnect();
    await sleep(50);
    worker.reconnect();
    await sleep(1000);
    expect(story.lines).toEqual(["ready", "up a", "declared encoder 1", "declared encoder 1+2"]);
    expect(await client.instance("a")).toBeDefined();
    expect(await client.declaration("encoder")).toMatchObject({ versions: ["1", "2"] });
    await close();
  });

  test("does not bring back an operator that was withdrawn meanwhile", async () => {
    const { worker, client, close } = await start();
    await worker.declare(declaration("encoder", "1"));
    worker.disconnect();
    await client.undeclare("encoder");
    worker.reconnect();
    await sleep(50);
    expect(await client.declaration("encoder")).toBe(undefined);
    await close();
  });

  test("renews at once when the store is back", async () => {
    const { worker, client, story, close } = await start();
    await worker.register(serving("a"), { leaseMs: 300, renewMs: 290 });
    worker.disconnect();
    await story.until("gone a (expired)");
    worker.reconnect();
    await sleep(50);
    expect(await client.instance("a")).toBeDefined();
    expect(story.lines).toEqual(["ready", "up a", "gone a (expired)", "up a"]);
    await close();
  });

  test("closes a registration without failing while the store is away", async () => {
    const { worker, story, close } = await start();
    const registration = await worker.register(serving("a"), { leaseMs: 300 });
    worker.disconnect();
    await registration.close();
    await story.until("gone a (expired)");
    await close();
  });
});
