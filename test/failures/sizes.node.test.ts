// Real worker processes: once is enough, and what the test itself runs on makes no difference.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { Tensor } from "../../mod.ts";
import { failure, pause } from "../support/waiting.ts";
import { Troubled } from "./troubled.ts";

let world: Troubled;
beforeAll(async () => {
  world = await Troubled.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

function bytesOf(size: number): Tensor<"UINT8"> {
  return Tensor.from("UINT8", Uint8Array.from({ length: size }, (_, i) => i * 31));
}

describe("a client that has a websocket only", () => {
  for (const [name, size] of [["300 KB", 300_000], ["3 MB", 3_000_000]] as const) {
    test(`sends ${name} and reads them back`, async () => {
      await world.worker();
      // Its workers serve tensors over the bus alone, as a browser of another network sees them.
      const client = await world.client({}, world.broker.wsUrl);
      const input = bytesOf(size);
      const { x } = await client.operator("echo").infer({ x: input });
      const back = await x!.fetch();
      expect(back.byteLength).toBe(size);
      expect(Buffer.compare(back.bytes, input.bytes)).toBe(0);
      const stored = await client.put(input);
      const again = await client.operator("echo").infer({ x: stored });
      expect(Buffer.compare((await again.x!.fetch()).bytes, input.bytes)).toBe(0);
    });
  }
});

describe("a message above the broker's limit", () => {
  test("is refused at once, and the error names both sizes", async () => {
    await world.worker();
    const client = await world.client();
    const error = await failure(client.operator("echo", { inline: true }).infer({ x: bytesOf(3_000_000) }));
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(error.rawMessage).toMatch(/300\d{4}/);
    expect(error.rawMessage).toMatch(/1048576/);
  });
});

describe("a slow consumer of a stream", () => {
  test("[L5] lets its operator run ahead no further than its credit", async () => {
    const worker = await world.worker();
    const client = await world.client();
    const pieces = client.operator("pieces").stream({}, { parameters: { count: 500 } });
    let taken = 0;
    let ahead = 0;
    for await (const { piece } of pieces) {
      expect((piece as Tensor<"INT32">).data[0]).toBe(taken++);
      if (taken % 50 === 0) {
        await pause(100);
        ahead = Math.max(ahead, worker.count(/@piece/) - taken);
      }
    }
    expect(taken).toBe(500);
    expect(ahead).toBeGreaterThan(30);
    expect(ahead).toBeLessThanOrEqual(66);
  });
});
