import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Allocation, Allocator, HUGE_PAGE_BYTES, rangeFor } from "../../src/data/arena/allocator.ts";
import { Arena } from "../../src/data/arena/arena.ts";
import { cellBytes, MAX_CELL_BYTES } from "../../src/data/arena/slab.ts";

const MIB = 1_048_576;

/** Sizes of every kind: cells, pages, huge pages, and the ones beside each boundary. */
const sizes = fc.oneof(
  fc.nat({ max: MAX_CELL_BYTES + 1 }),
  fc.nat({ max: 300_000 }),
  fc.nat({ max: 9 * MIB }),
  fc.constantFrom(0, 1, 63, 64, 65, 4_095, 4_096, 4_097, MAX_CELL_BYTES, HUGE_PAGE_BYTES - 1, HUGE_PAGE_BYTES),
);

function mustNotOverlap(blocks: readonly Allocation[], capacity: number): void {
  const sorted = [...blocks].sort((a, b) => a.offset - b.offset);
  let end = 0;
  for (const { offset, length } of sorted) {
    if (offset < end) throw new Error(`A block at ${offset} overlaps the one that ends at ${end}`);
    end = offset + length;
  }
  if (end > capacity) throw new Error(`A block ends at ${end}, beyond ${capacity}`);
}

describe("Allocator", () => {
  test("gives aligned blocks that never overlap, and has everything back at the end", () => {
    const steps = fc.array(fc.record({ size: sizes, free: fc.boolean(), which: fc.nat() }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 24 * MIB }), (steps, capacity) => {
        const allocator = new Allocator(capacity);
        const whole = allocator.usage();
        const live: Allocation[] = [];
        const generations = new Set<bigint>();
        for (const { size, free, which } of steps) {
          if (free && live.length > 0) allocator.free(live.splice(which % live.length, 1)[0]!);
          else {
            const block = allocator.allocate(size);
            if (block === undefined) continue;
            if (block.length < size) throw new Error(`Got ${block.length} bytes for ${size}`);
            if (block.offset % (size >= HUGE_PAGE_BYTES ? HUGE_PAGE_BYTES : 64) !== 0) {
              throw new Error(`Unaligned: ${block.offset}`);
            }
            if (generations.has(block.generation)) throw new Error("A generation came twice");
            generations.add(block.generation);
            live.push(block);
          }
          mustNotOverlap(live, capacity);
          expect(allocator.usage().usedBytes).toBe(live.reduce((sum, { length }) => sum + length, 0));
        }
        for (const block of live) allocator.free(block);
        expect(allocator.usage()).toEqual(whole);
        expect(whole).toMatchObject({ usedBytes: 0, blocks: 0, fragmentation: 0, largestFreeBytes: whole.capacityBytes });
      }),
      { numRuns: 60 },
    );
  });

  test("wastes at most a quarter on small blocks, and a page on others", () => {
    const allocator = new Allocator(64 * MIB);
    for (let size = 256; size <= MAX_CELL_BYTES; size += 97) {
      expect(cellBytes(size)).toBeLessThanOrEqual(size * 1.25 + 64);
      expect(cellBytes(size)).toBeGreaterThanOrEqual(size);
    }
    for (const size of [MAX_CELL_BYTES + 1, 100_000, HUGE_PAGE_BYTES + 1]) {
      expect(allocator.allocate(size)!.length - size).toBeLessThan(4_096);
    }
  });

  test("fills a range to its last page, and uses holes of any size again", () => {
    const allocator = new Allocator(4 * MIB);
    const blocks = Array.from({ length: 64 }, () => allocator.allocate(65_536)!);
    expect(allocator.usage()).toMatchObject({ usedBytes: 4 * MIB, largestFreeBytes: 0, fragmentation: 0 });
    expect(allocator.allocate(1)).toBe(undefined);
    for (const block of blocks.filter((_, i) => i % 2 === 0)) allocator.free(block);
    expect(allocator.usage()).toMatchObject({ usedBytes: 2 * MIB, largestFreeBytes: 65_536, fragmentation: 1 - 1 / 32 });
    // Half of it is free, and no hole holds this.
    expect(allocator.allocate(65_537)).toBe(undefined);
    for (const _ of Array.from({ length: 32 })) expect(allocator.allocate(65_536)).not.toBe(undefined);
    expect(allocator.allocate(4_096)).toBe(undefined);
  });

  test("takes the smallest run that fits", () => {
    const allocator = new Allocator(MIB);
    const blocks = [300_000, 65_536, 100_000, 65_536].map((size) => allocator.allocate(size)!);
    allocator.free(blocks[0]!);
    allocator.free(blocks[2]!);
    expect(allocator.allocate(90_000)!.offset).toBe(blocks[2]!.offset);
    expect(allocator.allocate(200_000)!.offset).toBe(blocks[0]!.offset);
  });

  test("refuses to free a block twice, also when its place is somebody else's by now", () => {
    const allocator = new Allocator(MIB);
    for (const size of [100, 100_000]) {
      const block = allocator.allocate(size)!;
      allocator.free(block);
      expect(() => allocator.free(block)).toThrow("freed already");
      const next = allocator.allocate(size)!;
      expect(next.offset).toBe(block.offset);
      expect(() => allocator.free(block)).toThrow("freed already");
      expect([allocator.holds(block), allocator.holds(next)]).toEqual([false, true]);
    }
  });

  test("fits a block into an empty range that was made for it, whatever its size", () => {
    fc.assert(fc.property(sizes, (size) => {
      if (new Allocator(rangeFor(size)).allocate(size) === undefined) throw new Error(`No room for ${size} bytes`);
    }));
  });

  test("divides ranges beyond 32 bits", () => {
    const allocator = new Allocator(2 ** 42);
    const first = allocator.allocate(2 ** 41)!;
    const second = allocator.allocate(2 ** 40)!;
    expect([first.offset, second.offset]).toEqual([0, 2 ** 41]);
    allocator.free(first);
    expect(allocator.usage().largestFreeBytes).toBe(2 ** 41);
    allocator.free(second);
    expect(allocator.usage().largestFreeBytes).toBe(2 ** 42);
  });
});

describe("Arena", () => {
  test("asks for a segment when no other has room, and takes none that is too small", () => {
    const made: number[] = [];
    let left = 2;
    const grow = (byteLength: number) => {
      if (left-- <= 0) return undefined;
      made.push(byteLength);
      return { name: `s${made.length}`, bytes: new Uint8Array(Math.max(MIB, byteLength)) };
    };
    const arena = new Arena({ grow });
    const first = arena.allocate(100)!;
    const second = arena.allocate(3_000_001)!;
    expect([first.location?.segment, second.location?.segment]).toEqual(["s1", "s2"]);
    expect(made).toEqual([65_536, 3_002_368]);
    expect([second.bytes?.length, arena.allocate(2 * MIB)]).toEqual([3_000_001, undefined]);
    expect(arena.allocate(500_000)?.location?.segment).toBe("s1");
    second.free();
    expect([arena.remove(arena.segments[0]!), arena.remove(arena.segments[1]!)]).toEqual([false, true]);
    expect(arena.usage()).toMatchObject({ capacityBytes: MIB, blocks: 2 });
    const stingy = new Arena({ grow: () => ({ bytes: new Uint8Array(4_096) }) });
    expect([stingy.allocate(1), stingy.segments.length]).toEqual([undefined, 0]);
  });
});
