import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { discoveryRights, KvDiscovery } from "../../src/discovery/mod.ts";
import { type KvWorld, kvWorld } from "./kv-world.ts";
import { declaration, LogLines, serving, Story } from "./support.ts";

const password = "secret";
const ownInbox = "_INBOX_edge.>";
describe("discovery for users with few rights", () => {
  let world: KvWorld;
  beforeAll(async () => {
    world = await kvWorld({
      users: [
        { user: "worker", password },
        { user: "reader", password, permissions: { publish: discoveryRights("demo", "read"), subscribe: [ownInbox] } },
        { user: "watcher", password, permissions: { publish: discoveryRights("demo", "watch"), subscribe: [ownInbox] } },
        { user: "writer", password, permissions: { publish: discoveryRights("other", "write"), subscribe: [ownInbox] } },
        { user: "nobody", password, permissions: { publish: ["elsewhere"], subscribe: [ownInbox] } },
      ],
    });
  });
  afterAll(() => world.close());

  const join = (user: string, options = {}) => {
    const inboxPrefix = user === "worker" ? undefined : "_INBOX_edge";
    return world.join({ inboxPrefix, pollMs: 100, ...options }, { user, password, inboxPrefix });
  };

  test("answers a reader before anybody wrote anything", async () => {
    const { discovery } = await join("reader");
    expect(await discovery.declaration("encoder")).toBe(undefined);
    expect(await discovery.instances()).toEqual([]);
  });

  test("lets a reader read", async () => {
    const worker = await join("worker");
    const reader = await join("reader");
    await worker.discovery.declare(declaration("encoder", "1"));
    const registrations = await Promise.all(["a", "b", "c"].map((id) => worker.discovery.register(serving(id))));
    expect(await reader.discovery.declaration("encoder")).toMatchObject({ versions: ["1"] });
    expect(await reader.discovery.declaration("none")).toBe(undefined);
    expect(await reader.discovery.declarations()).toHaveLength(1);
    expect(await reader.discovery.instances({ operator: "encoder" })).toHaveLength(3);
    for (const registration of registrations) await registration.close();
  });

  for (const user of ["reader", "watcher"]) {
    test(`lets a ${user} watch`, async () => {
      const logger = new LogLines();
      const worker = await join("worker");
      const { discovery } = await join(user, { logger });
      const story = new Story();
      const watch = await discovery.watch(story.listener);
      const registration = await worker.discovery.register(serving("a"));
      await story.until("up a");
      await registration.update({ draining: true });
      await story.until("changed a");
      await registration.close();
      await story.until("gone a (closed)");
      const dying = await join("worker");
      await dying.discovery.register(serving("d"), { leaseMs: 400 });
      await story.until("up d");
      await dying.crash();
      await story.until("gone d (expired)");
      const polls = logger.lines.filter((line) => line.startsWith("debug May not make a consumer"));
      expect(polls).toHaveLength(user === "reader" ? 1 : 0);
      await watch.close();
    });
  }

  test("lets a writer do everything, in one namespace", async () => {
    const { discovery, bus } = await join("writer", { namespace: "other" });
    await discovery.declare(declaration("encoder", "1"));
    const registration = await discovery.register(serving("a"));
    const story = new Story();
    const watch = await discovery.watch(story.listener);
    expect(story.lines).toEqual(["declared encoder 1", "up a", "ready"]);
    await registration.close();
    await discovery.undeclare("encoder");
    await watch.close();
    const elsewhere = new KvDiscovery(bus, { namespace: "demo", inboxPrefix: "_INBOX_edge" });
    await expect(elsewhere.declaration("encoder")).rejects.toMatchObject({ code: Code.PermissionDenied });
    await expect(elsewhere.declare(declaration("encoder", "1"))).rejects.toMatchObject({ code: Code.PermissionDenied });
  });

  test("refuses a reader's writes as permission_denied", async () => {
    const { discovery } = await join("reader");
    await expect(discovery.declare(declaration("mine", "1"))).rejects.toMatchObject({ code: Code.PermissionDenied });
    await expect(discovery.undeclare("encoder")).rejects.toMatchObject({ code: Code.PermissionDenied });
    await expect(discovery.register(serving("a"))).rejects.toMatchObject({ code: Code.PermissionDenied });
  });

  test("tells who may not read that it cannot tell", async () => {
    const { discovery } = await join("nobody");
    await expect(discovery.declaration("encoder")).rejects.toMatchObject({ code: Code.PermissionDenied });
    await expect(discovery.instances()).rejects.toMatchObject({ code: Code.PermissionDenied });
    await expect(discovery.watch(() => {})).rejects.toMatchObject({ code: Code.PermissionDenied });
  });
});
