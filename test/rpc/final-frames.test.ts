import fc from "fast-check";
import { describe, expect, test } from "bun:test";
import { FinalFrames } from "../../src/rpc/final-frames.ts";

const frame = (text: string, size = 10) => ({
  header: `1 response proto ${text} 1 0 -`,
  metadata: "",
  payload: new Uint8Array(size).fill(7),
  base: 3,
});

describe("FinalFrames", () => {
  test("gives back what was kept, with any metadata", () => {
    const id = fc.stringMatching(/^[a-z0-9_-]{1,64}$/);
    const kept = fc.record({
      header: fc.stringMatching(/^[ -~]{0,80}$/),
      metadata: fc.string({ unit: "binary", maxLength: 40 }).filter((text) => text.isWellFormed()),
      payload: fc.uint8Array({ maxLength: 200 }),
      base: fc.nat(),
    });
    fc.assert(fc.property(fc.dictionary(id, kept, { maxKeys: 50, noNullPrototype: true }), (frames) => {
      const finals = new FinalFrames();
      for (const [key, value] of Object.entries(frames)) finals.keep(key, value);
      for (const [key, value] of Object.entries(frames)) expect(finals.get(key)).toEqual(value);
      expect(finals.get("another")).toBe(frames.another);
    }));
  });

  test("keeps the last of two frames of one call", () => {
    const finals = new FinalFrames();
    finals.keep("a", frame("first"));
    finals.keep("a", frame("second"));
    expect(finals.get("a")?.header).toContain("second");
  });

  test("drops the oldest when its bytes run out, and stays within them", () => {
    const finals = new FinalFrames(30_000, 20_000);
    for (let index = 0; index < 1_000; index++) finals.keep(`call-${index}`, frame(String(index)));
    expect(finals.get("call-0")).toBe(undefined);
    expect(finals.get("call-999")?.header).toContain(" 999 ");
    const left = Array.from({ length: 1_000 }, (_, index) => finals.get(`call-${index}`)).filter((found) =>
      found !== undefined
    );
    expect(left.length).toBeGreaterThan(50);
    expect(left.length).toBeLessThan(300);
  });

  test("does not keep a frame that is larger than half of its bytes", () => {
    const finals = new FinalFrames(30_000, 20_000);
    finals.keep("large", frame("x", 15_000));
    finals.keep("small", frame("y"));
    expect(finals.get("large")).toBe(undefined);
    expect(finals.get("small")).not.toBe(undefined);
  });

  test("forgets frames after two turns of its age", async () => {
    const finals = new FinalFrames(20);
    finals.keep("old", frame("x"));
    for (let turn = 0; turn < 3; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      finals.keep(`turn-${turn}`, frame("y"));
    }
    expect(finals.get("old")).toBe(undefined);
  });
});
