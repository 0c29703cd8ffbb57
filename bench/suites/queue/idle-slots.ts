import { type SlotUse, slotUse } from "../../lib/idle-slots.ts";
import { type Case, makeCase, median } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";
import { QueueWorld } from "./world.ts";

const WORKERS = 4;
const SLOTS = 1;
const INFLIGHT = 64;
const MOST_PERCENT = 2;

/**
 * Whether a request waits while a slot is free anywhere: four workers of one slot each, 64 requests in flight. Handing over takes
 * one way to the broker and back, since a worker that fetched ahead would keep a request from another's free slot; so the
 * requirement is on operators that take 20 ms, and the floor, which fetches in the same way, stands beside each.
 */
export async function idleSlots(options: RunOptions): Promise<Findings> {
  const world = await QueueWorld.start(options);
  await world.growTo(WORKERS, SLOTS);
  const cases: Case[] = [];
  for (
    const [target, what, required] of [
      ["hold-2", "takes 2 ms", false],
      ["hold-20", "takes 20 ms", true],
      ["hold-uneven", "takes 2 to 38 ms", true],
    ] as const
  ) {
    const seconds = options.quick ? 1 : 4;
    const load = { target: `queue-${target}`, payloadBytes: 128, inflight: INFLIGHT, seconds };
    const measure = async (of: "product" | "floor"): Promise<SlotUse> => {
      const { measured, executions } = await world.journaled(of, load);
      return slotUse({ sentAt: measured.sentAt ?? [], startedAtMs: measured.startedAtMs, executions, slots: SLOTS });
    };
    const [floors, products]: [SlotUse[], SlotUse[]] = [[], []];
    for (let round = 0; round < Math.min(3, options.rounds); round++) {
      floors.push(await measure("floor"));
      products.push(await measure("product"));
    }
    const percent = (uses: readonly SlotUse[]) => 100 * median(uses.map(({ idlePart }) => idlePart));
    const handover = (uses: readonly SlotUse[]) => median(uses.map(({ idleMsPerRequest }) => idleMsPerRequest));
    const demand = required ? { on: "value", atMost: MOST_PERCENT } as const : undefined;
    cases.push(
      makeCase(`idle slots while requests wait, 4 workers, ${what}`, percent(products), "%", percent(floors), demand),
      makeCase(`  handing over a slot, ${what}`, handover(products), "ms", handover(floors)),
    );
  }
  return { cases, charts: [] };
}
