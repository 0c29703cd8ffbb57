import { afterAll, beforeAll, describe, test } from "bun:test";
import { connect } from "../../mod.ts";
import { behaviours } from "./behaviours.ts";
import { startWorld, type World } from "./world.ts";

let world: World | undefined;

beforeAll(async () => {
  world = await startWorld();
});

afterAll(() => world?.stop());

for (const kind of ["tcp", "websocket"] as const) {
  describe(`a client over ${kind === "tcp" ? "TCP" : "a websocket"}`, () => {
    for (const { name, run } of behaviours) {
      test(name, async () => {
        const { url, cut } = world![kind];
        const open = (to: string = url) => connect(to, { operatorWaitMs: 1_000, connectTimeoutMs: 2_000 });
        const client = await open();
        try {
          await run(client, { connect: open, cut: () => Promise.resolve(cut()) });
        } finally {
          await client.close();
        }
      });
    }
  });
}
