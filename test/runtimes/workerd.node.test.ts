// Node alone: Miniflare is a program for Node, which starts workerd. What is tested runs in workerd.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import { Miniflare } from "miniflare";
import { webBundle } from "../../scripts/lib/web-bundle.ts";
import { until } from "../support/program.ts";
import { type NodeWorld, startNode, TOKEN } from "../client/to-node/node-world.ts";
import { behaviours, fetchBehaviours } from "./behaviours.ts";
import { startWorld, type World } from "./world.ts";

/** workerd takes an object that nobody asks anything out of memory after 10 s. */
const idleMs = 11_000;

let world: World;
let node: NodeWorld;
let control: Server;
let workerd: Miniflare;

beforeAll(async () => {
  [world, node] = await Promise.all([startWorld(), startNode()]);
  control = createServer(({ url }, response) => {
    if (url === "/node") node.cut();
    else world.websocket.cut();
    response.end();
  });
  await new Promise<void>((resolve) => control.listen(0, "127.0.0.1", resolve));
  const { code } = await webBundle("test/runtimes/workerd/worker.ts", { for: "workerd" });
  workerd = new Miniflare({
    modules: true,
    script: code,
    compatibilityDate: "2026-07-01",
    compatibilityFlags: ["enable_request_signal"],
    durableObjects: { CLIENTS: "Clients" },
    bindings: {
      BROKER_URL: world.websocket.url,
      NODE_URL: node.url,
      NODE_TOKEN: TOKEN,
      CUT_URL: `http://127.0.0.1:${(control.address() as { port: number }).port}`,
    },
  });
  await workerd.ready;
}, 120_000);

afterAll(async () => {
  await workerd?.dispose();
  control?.close();
  await node?.stop();
  await world?.stop();
});

async function ask(path: string, what: string, signal?: AbortSignal): Promise<Record<string, unknown>> {
  const url = `http://worker/${path}?what=${encodeURIComponent(what)}`;
  const answer = await (await workerd.dispatchFetch(url, { signal })).json() as Record<string, unknown>;
  if (answer.error !== undefined) throw new Error(`In workerd: ${answer.error}`);
  return answer;
}

for (
  const [path, title] of [["request", "a connection per request"], ["object", "the connection of a Durable Object"]] as const
) {
  describe(`a client in workerd, with ${title}`, () => {
    for (const { name } of behaviours) test(name, async () => void await ask(path, name));

    test("serves ten requests at once", async () => {
      const infers = behaviours.find(({ feature }) => feature === "infer")?.name ?? "";
      await Promise.all(Array.from({ length: 10 }, () => ask(path, infers)));
    });

    // workerd 1.20260730 does not tell a Worker that its caller is gone before the answer has begun.
    test("stops the operator when the one who reads the Worker's stream is gone", async () => {
      const what = crypto.randomUUID();
      const abort = new AbortController();
      const answer = await workerd.dispatchFetch(`http://worker/${path}/ticks?what=${what}`, { signal: abort.signal });
      await answer.body?.getReader().read();
      abort.abort();
      await until("the operator was told", async () => (await ask(`${path}/noted`, `${what} stopped`)).count === 1);
    });
  });
}

describe("a client in workerd, straight to a node", () => {
  for (const { name } of fetchBehaviours) test(name, async () => void await ask("node", name));
});

describe("a Durable Object", () => {
  test("keeps its connection while nobody asks anything", async () => {
    const connections = async () =>
      (await (await fetch(`${world.broker.monitorUrl}/varz`)).json() as { total_connections: number }).total_connections;
    await ask("object/noted", "warm-up");
    const before = await connections();
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    await ask("object/noted", "after");
    expect(await connections()).toBe(before);
  });
});
