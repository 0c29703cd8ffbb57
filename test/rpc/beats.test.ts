import { describe, expect, test } from "bun:test";
import { connectMemory } from "../../src/bus/memory.ts";
import { MemoryBroker } from "../../src/bus/memory-broker.ts";
import { BeatPace, LoopBeats, MAX_SPARED_BEATS } from "../../src/rpc/beats.ts";
import { itemsShareOf } from "../../src/rpc/inbound.ts";
import { BeatTable } from "../../src/worker/beat-table.ts";
import { until } from "../support/program.ts";

const beat = { answerSubject: "answers", header: "h", progressSubject: undefined };

describe("a running call's heartbeats", () => {
  test("are spared while frames go to its caller, though not for ever", async () => {
    const bus = connectMemory(new MemoryBroker());
    let heard = 0;
    bus.subscribe("answers", () => heard++);
    const beats = new LoopBeats(bus, "gone.");
    const [silent, talking] = [beats.start(beat, () => {}), beats.start(beat, () => {})];
    const chatter = setInterval(() => beats.spoke(talking), 50);
    // The silent one's: one each time. The talking one's: none of the first three, then one, then none again.
    await until("five beats have passed", () => heard >= MAX_SPARED_BEATS + 3, 20_000);
    expect(heard).toBe(MAX_SPARED_BEATS + 3);
    clearInterval(chatter);
    beats.stop(silent);
    await until("the one that fell silent is heard", () => heard >= MAX_SPARED_BEATS + 4);
    await beats.close();
    await bus.close();
  });

  test("are spared by the thread too: who spoke stands in the table that both share", () => {
    const table = new BeatTable(4);
    const other = new BeatTable(table.buffer);
    const handle = table.add(beat)!;
    expect(other.hasSpoken(handle)).toBe(false);
    table.spoke(handle);
    expect([other.hasSpoken(handle), other.hasSpoken(handle)]).toEqual([true, false]);
    table.spoke(handle);
    table.remove(handle);
    expect(other.hasSpoken(table.add(beat)!)).toBe(false);
  });

  test("come each second, and beats for the broker as often as the shortest wait needs them", () => {
    const pace = new BeatPace();
    expect([pace.fitTo(5_000), pace.intervalMs]).toEqual([false, 1_000]);
    expect([pace.fitTo(1_000), pace.intervalMs]).toEqual([true, 250]);
    expect([pace.fitTo(5_000), pace.intervalMs]).toEqual([false, 250]);
    const ticks = Array.from({ length: 9 }, (_, tick) => pace.isForHeartbeats(tick * 250));
    expect(ticks).toEqual([true, false, false, false, true, false, false, false, true]);
  });
});

describe("a stream's share of what may be on its way", () => {
  test("shrinks with the number of streams, to a few items", () => {
    expect([0, 500, 2_000, 20_000].map(itemsShareOf)).toEqual([64, 64, 16, 8]);
  });
});
