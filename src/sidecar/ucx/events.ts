/** Kinds of what the addon tells; `native/src/ucx/completions.h` is the other side. */
export const EVENT = {
  settled: 1,
  reusable: 2,
  used: 3,
  freed: 4,
  memoryAdded: 5,
  memoryRemoved: 6,
  described: 7,
  opened: 8,
  closed: 9,
} as const;
