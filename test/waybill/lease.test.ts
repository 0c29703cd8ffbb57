import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { LeaseTable, referenceKey } from "../../src/waybill/lease.ts";
import { failure } from "../tensor/support.ts";

function makeTable(options: { leaseMs?: number; maxLeaseMs?: number } = {}) {
  const clock = { nowMs: 1000 };
  const freed: string[] = [];
  const table = new LeaseTable<string>({
    leaseMs: 100,
    maxLeaseMs: 1000,
    ...options,
    onFree: (id) => freed.push(id),
    nowMs: () => clock.nowMs,
  });
  return { table, freed, clock };
}

describe("a lease", () => {
  test("lasts 5 minutes and at most 24 hours by default", () => {
    const lease = new LeaseTable<string>({ onFree() {}, nowMs: () => 0 }).create("a");
    expect(lease.expiresAtMs).toBe(300_000);
    expect(lease.notAfterMs).toBe(86_400_000);
    expect(lease.reference.length).toBe(16);
    expect(lease.once).toBe(false);
  });

  test("is gone from its expiry on, swept or not", () => {
    const { table, freed, clock } = makeTable();
    const { reference } = table.create("a");
    clock.nowMs = 1099;
    expect(table.get(reference)?.bufferId).toBe("a");
    clock.nowMs = 1100;
    expect(table.get(reference)).toBe(undefined);
    expect(freed).toEqual(["a"]);
    expect(table.release(reference)).toBe(false);
    expect(freed).toEqual(["a"]);
  });

  test("is renewed by use, never shortened, and never past its hard maximum", () => {
    const { table, clock } = makeTable();
    const { reference } = table.create("a");
    clock.nowMs = 1050;
    expect(table.touch(reference).expiresAtMs).toBe(1150);
    expect(table.touch(reference, 20).expiresAtMs).toBe(1150);
    expect(table.touch(reference, 500).expiresAtMs).toBe(1550);
    clock.nowMs = 1500;
    expect(table.touch(reference, 5000).expiresAtMs).toBe(2000);
    clock.nowMs = 2000;
    expect(failure(() => table.touch(reference)).code).toBe(Code.PermissionDenied);
  });

  test("that is gone answers like one that never was", () => {
    const { table } = makeTable();
    const { reference } = table.create("a");
    table.release(reference);
    for (const unknown of [reference, new Uint8Array(16), new Uint8Array(0)]) {
      expect(table.get(unknown)).toBe(undefined);
      expect(table.release(unknown)).toBe(false);
      expect(failure(() => table.touch(unknown)).rawMessage).toBe(failure(() => table.share(reference)).rawMessage);
    }
  });

  test("keeps the buffer together with every other lease on it", () => {
    const { table, freed } = makeTable();
    const first = table.create("a");
    const second = table.share(first.reference);
    const third = table.create("a");
    expect(new Set([first, second, third].map(({ reference }) => referenceKey(reference))).size).toBe(3);
    table.release(first.reference);
    table.release(third.reference);
    expect(freed).toEqual([]);
    expect(table.get(second.reference)?.bufferId).toBe("a");
    table.release(second.reference);
    expect(freed).toEqual(["a"]);
  });

  test("shares the hard maximum of the buffer, so that sharing does not keep it for ever", () => {
    const { table, clock } = makeTable();
    const first = table.create("a", { leaseMs: 900 });
    clock.nowMs = 1800;
    const second = table.share(first.reference, { leaseMs: 900 });
    expect(second.notAfterMs).toBe(first.notAfterMs);
    expect(second.expiresAtMs).toBe(2000);
    clock.nowMs = 2000;
    expect(table.sweep()).toBe(2);
    expect(table.create("a").notAfterMs).toBe(3000);
  });

  test("starts anew on a buffer whose leases are over but were not swept", () => {
    const { table, freed, clock } = makeTable();
    table.create("a");
    clock.nowMs = 5000;
    expect(table.create("a").notAfterMs).toBe(6000);
    expect(freed).toEqual(["a"]);
  });

  test("that is once ends when it is consumed; others do not", () => {
    const { table, freed } = makeTable();
    const once = table.create("a", { once: true });
    const more = table.create("b");
    expect(table.consumed(more.reference)).toBe(false);
    expect(table.consumed(once.reference)).toBe(true);
    expect(table.consumed(once.reference)).toBe(false);
    expect(freed).toEqual(["a"]);
  });

  test("needs times that are integers above 0", () => {
    const { table } = makeTable();
    for (const leaseMs of [0, -1, NaN, Infinity, 1.5]) {
      expect(failure(() => table.create("a", { leaseMs })).code).toBe(Code.InvalidArgument);
      expect(failure(() => makeTable({ leaseMs })).code).toBe(Code.InvalidArgument);
    }
    expect(table.size).toBe(0);
  });
});

describe("sweeping", () => {
  test("ends what is over and says when the next one is", () => {
    const { table, freed, clock } = makeTable();
    expect(table.nextExpiryMs()).toBe(undefined);
    table.create("a", { leaseMs: 50 });
    table.create("b", { leaseMs: 80 });
    expect(table.nextExpiryMs()).toBe(1050);
    expect(table.sweep()).toBe(0);
    clock.nowMs = 1060;
    expect(table.sweep()).toBe(1);
    expect(freed).toEqual(["a"]);
    expect(table.nextExpiryMs()).toBe(1080);
    expect(table.sweep(1080)).toBe(1);
    expect(table.nextExpiryMs()).toBe(undefined);
  });

  test("may find nothing after a renewal, but never comes too late", () => {
    const { table, clock } = makeTable();
    const { reference } = table.create("a", { leaseMs: 50 });
    table.touch(reference, 200);
    expect(table.nextExpiryMs()).toBe(1050);
    clock.nowMs = 1050;
    expect(table.sweep()).toBe(0);
    expect(table.nextExpiryMs()).toBe(1200);
  });

  test("looks at few of many leases, and ends each in its time", () => {
    const { table, freed, clock } = makeTable();
    const endsAtMs = new Map<string, number>();
    for (let i = 0; i < 50_000; i++) {
      const leaseMs = 1 + (i * 7_919) % 400_000;
      const { reference, expiresAtMs } = table.create(`${i}`, { leaseMs });
      if (i % 3 === 0) table.release(reference);
      else endsAtMs.set(`${i}`, i % 5 === 0 ? table.touch(reference, leaseMs + 90_000).expiresAtMs : expiresAtMs);
    }
    freed.length = 0;
    let sweeps = 0;
    for (let next = table.nextExpiryMs(); next !== undefined; next = table.nextExpiryMs(), sweeps++) {
      clock.nowMs = Math.max(next, clock.nowMs + 50);
      table.sweep();
      for (const bufferId of freed.splice(0)) {
        const endMs = endsAtMs.get(bufferId)!;
        if (endMs > clock.nowMs || endMs <= clock.nowMs - 51) {
          throw new Error(`${bufferId} ends at ${endMs}, not ${clock.nowMs}`);
        }
        endsAtMs.delete(bufferId);
      }
    }
    expect([endsAtMs.size, table.size]).toEqual([0, 0]);
    expect(sweeps).toBeLessThan(10_000);
  });

  test("ends every lease when the owner closes", () => {
    const { table, freed } = makeTable();
    const { reference } = table.create("a");
    table.share(reference);
    table.create("b");
    table.clear();
    expect(freed).toEqual(["a", "b"]);
    expect(table.size).toBe(0);
  });
});

describe("the lease table", () => {
  test("agrees with a simple model whatever is done in whatever order", () => {
    const step = fc.record({
      action: fc.constantFrom("create", "share", "touch", "release", "consumed", "sweep", "get"),
      which: fc.nat(20),
      leaseMs: fc.integer({ min: 1, max: 400 }),
      waitMs: fc.integer({ min: 0, max: 150 }),
      once: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { table, freed, clock } = makeTable();
        const model: { reference: Uint8Array; bufferId: string; endMs: number; maxMs: number; once: boolean }[] = [];
        let buffers = 0;
        for (const { action, which, leaseMs, waitMs, once } of steps) {
          clock.nowMs += waitMs;
          const now = clock.nowMs;
          const target = model[which % Math.max(model.length, 1)];
          const live = target !== undefined && target.endMs > now;
          if (action === "create") {
            const bufferId = `b${buffers++}`;
            const { reference } = table.create(bufferId, { leaseMs, once });
            model.push({ reference, bufferId, endMs: Math.min(now + leaseMs, now + 1000), maxMs: now + 1000, once });
          } else if (action === "sweep") {
            table.sweep();
          } else if (target === undefined) {
            continue;
          } else if (action === "share" || action === "touch") {
            if (!live) {
              expect(failure(() => table[action](target.reference)).code).toBe(Code.PermissionDenied);
            } else if (action === "share") {
              const { reference } = table.share(target.reference, { leaseMs, once });
              model.push({ ...target, reference, endMs: Math.min(now + leaseMs, target.maxMs), once });
            } else {
              table.touch(target.reference, leaseMs);
              target.endMs = Math.max(target.endMs, Math.min(now + leaseMs, target.maxMs));
            }
          } else if (action === "get") {
            expect(table.get(target.reference)?.expiresAtMs).toBe(live ? target.endMs : undefined);
          } else {
            const ends = live && (action === "release" || target.once);
            expect(table[action](target.reference)).toBe(ends);
            if (ends) target.endMs = 0;
          }
          const next = table.nextExpiryMs();
          const first = Math.min(...model.filter(({ endMs }) => endMs > now).map(({ endMs }) => endMs));
          if (first < Infinity) expect(next !== undefined && next <= first).toBe(true);
        }
        table.sweep();
        const held = new Set(model.filter(({ endMs }) => endMs > clock.nowMs).map(({ bufferId }) => bufferId));
        const all = new Set(model.map(({ bufferId }) => bufferId));
        expect(new Set(freed).size).toBe(freed.length);
        expect([...freed].sort()).toEqual([...all].filter((id) => !held.has(id)).sort());
      }),
      { numRuns: 500 },
    );
  });
});
