import { describe, expect, test } from "bun:test";
import { Leases } from "../../src/discovery/leases.ts";
import { sleep } from "./support.ts";

describe("Leases", () => {
  const start = (marginMs: number, heardAt = () => performance.now()) => {
    const expired: string[] = [];
    return { expired, leases: new Leases(marginMs, heardAt, (key) => expired.push(key)) };
  };

  test("pass in the order of their deadlines, those spent in part sooner", async () => {
    const { expired, leases } = start(20);
    leases.renew("late", 200);
    leases.renew("soon", 100);
    leases.renew("spent", 200, 180);
    leases.renew("removed", 50);
    leases.remove("removed");
    await sleep(400);
    expect(expired).toEqual(["spent", "soon", "late"]);
  });

  test("do not pass while paused", async () => {
    const { expired, leases } = start(10);
    leases.renew("a", 50);
    leases.pause();
    leases.renew("b", 50);
    await sleep(200);
    expect(expired).toEqual([]);
    leases.resume();
    await sleep(100);
    expect(expired.sort()).toEqual(["a", "b"]);
  });

  test("do not pass before the store was heard after them", async () => {
    let heardAt = performance.now();
    const { expired, leases } = start(10, () => heardAt);
    leases.renew("a", 50);
    await sleep(300);
    expect(expired).toEqual([]);
    heardAt = performance.now();
    await sleep(250);
    expect(expired).toEqual(["a"]);
  });

  test("wait a margin longer after the process stood still, for renewals that it has not read yet", async () => {
    const { expired, leases } = start(150);
    leases.renew("renewed", 50);
    leases.renew("dead", 50);
    const end = performance.now() + 700;
    while (performance.now() < end);
    await sleep(20);
    expect(expired).toEqual([]);
    leases.renew("renewed", 5000);
    await sleep(400);
    expect(expired).toEqual(["dead"]);
    leases.clear();
  });
});
