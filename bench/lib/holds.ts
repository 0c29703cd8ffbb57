/** Operators that only wait, by name: how long a request takes, in milliseconds. Product and floor serve the same ones. */
export const HOLDS: Readonly<Record<string, () => number>> = {
  "hold-2": () => 2,
  "hold-20": () => 20,
  // As models do whose inputs differ: 20 ms on average, some take twenty times as long as others.
  "hold-uneven": () => 2 + 36 * Math.random(),
};
