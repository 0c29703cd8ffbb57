import { describe, expect, test } from "bun:test";
import { slotUse } from "../../bench/lib/idle-slots.ts";
import { chartSvg } from "../../bench/lib/chart-svg.ts";

/** So many requests at once at the beginning, and a last one that marks the end of the load. */
const waitingFrom = (at: number, count: number, until: number) => [...Array<number>(count).fill(at), until];

describe("idle-slot time", () => {
  test("is nothing while slots are busy, or nobody waits", () => {
    const busy = slotUse({ startedAtMs: 0, sentAt: waitingFrom(0, 9, 100), executions: [[[0, 50], [50, 100]]], slots: 1 });
    expect(busy.idlePart).toBe(0);
    const nobodyWaits = slotUse({ startedAtMs: 0, sentAt: [0, 100], executions: [[[0, 20]]], slots: 1 });
    expect(nobodyWaits.idlePart).toBe(0);
  });

  test("counts the time between two executions while a request waits, from a tenth of the load on", () => {
    // Counted from 10 to 100; idle from 40 to 49: a tenth of 90.
    const executions = [[[0, 40], [49, 100]]] as const;
    const { idlePart, idleMsPerRequest } = slotUse({ startedAtMs: 0, sentAt: waitingFrom(0, 5, 100), executions, slots: 1 });
    expect(idlePart).toBeCloseTo(0.1);
    // One execution began meanwhile.
    expect(idleMsPerRequest).toBeCloseTo(9);
  });

  test("counts no more free slots than requests that wait", () => {
    // Two workers of two slots, one request waits beside a single busy slot: one of three free ones counts.
    const executions = [[[0, 100]], []] as const;
    const { idlePart } = slotUse({ startedAtMs: 0, sentAt: [0, 0, 100], executions, slots: 2 });
    expect(idlePart).toBeCloseTo(1 / 4);
  });
});

describe("a chart", () => {
  test("is an SVG that stands alone, with every line, name and tick, whatever the names hold", () => {
    const svg = chartSvg({
      id: "c",
      title: "a < b & c",
      x: { label: "in flight", log: true },
      y: { label: "requests/s" },
      series: [{ name: "product", points: [[1, 10], [4096, 95]] }, { name: "floor", points: [[1, 20]], floor: true }],
    }, "a machine");
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg.match(/<polyline/g)).toHaveLength(2);
    for (const text of ["a &#60; b &#38; c", ">product<", ">floor<", ">4,096<", ">100<", ">a machine<"]) {
      expect(svg).toContain(text);
    }
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });
});
