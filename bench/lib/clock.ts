/** Milliseconds since 1970 with fractions: one clock for all processes of a machine, to about a tenth of a millisecond. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}
