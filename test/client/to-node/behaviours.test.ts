import { afterAll, beforeAll, describe, test } from "bun:test";
import { connect, type ConnectOptions } from "../../../mod.ts";
import { nodeBehaviours } from "../../runtimes/behaviours.ts";
import { type NodeWorld, startNode, TOKEN } from "./node-world.ts";

let world: NodeWorld | undefined;

beforeAll(async () => {
  world = await startNode();
});

afterAll(() => world?.stop());

const ways: Readonly<Record<string, { url(world: NodeWorld): string; options: ConnectOptions }>> = {
  "Connect": { url: ({ url }) => url, options: {} },
  "gRPC": { url: ({ url }) => url, options: { protocol: "grpc" } },
  "Connect on a Unix socket": { url: ({ socketUrl }) => socketUrl, options: {} },
  "gRPC on a Unix socket": { url: ({ socketUrl }) => socketUrl, options: { protocol: "grpc" } },
};

for (const [way, { url, options }] of Object.entries(ways)) {
  describe(`a client straight to a node, by ${way}`, () => {
    for (const { name, run } of nodeBehaviours) {
      test(name, async () => {
        const open = (to = url(world!)) => connect(to, { ...options, token: TOKEN, connectTimeoutMs: 2_000 });
        const client = await open();
        try {
          await run(client, { connect: open, cut: () => Promise.resolve(world!.cut()) });
        } finally {
          await client.close();
        }
      });
    }
  });
}
