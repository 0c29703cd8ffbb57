import { describe, expect, test } from "bun:test";
import { Deadlines, type Expiring } from "../../src/rpc/deadlines.ts";
import { until } from "../support/program.ts";

class Entry implements Expiring {
  readonly deadlineAt: number;
  expiredAt = 0;
  readonly #all: Set<Entry>;

  constructor(all: Set<Entry>, inMs: number) {
    this.deadlineAt = performance.now() + inMs;
    this.#all = all.add(this);
  }

  expire(): void {
    this.expiredAt = performance.now();
    this.#all.delete(this);
  }
}

describe("deadlines", () => {
  test("are noticed in their order, whatever the order they were set in, and never early by more than a timer's grain", async () => {
    const all = new Set<Entry>();
    const deadlines = new Deadlines(all);
    const entries = [90, 30, Infinity, 60].map((inMs) => new Entry(all, inMs));
    for (const { deadlineAt } of entries) deadlines.watch(deadlineAt);
    await until("all but the endless one have expired", () => all.size === 1);
    expect([...all]).toEqual([entries[2]!]);
    for (const { deadlineAt, expiredAt } of entries) {
      if (deadlineAt !== Infinity) expect(expiredAt).toBeGreaterThanOrEqual(deadlineAt - 1);
    }
    expect(entries[1]!.expiredAt).toBeLessThanOrEqual(entries[3]!.expiredAt);
    expect(entries[3]!.expiredAt).toBeLessThanOrEqual(entries[0]!.expiredAt);
    deadlines.rest();
  });

  test("are watched again after a rest", async () => {
    const all = new Set<Entry>();
    const deadlines = new Deadlines(all);
    deadlines.watch(new Entry(all, 20).deadlineAt);
    deadlines.rest();
    deadlines.watch(new Entry(all, 40).deadlineAt);
    await until("it has expired", () => all.size === 0);
  });
});
