import { describe, expect, test } from "bun:test";
import { formatTraceparent, parseTraceparent } from "../../src/telemetry/trace-context.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";

describe("a traceparent", () => {
  test("is read, and written the same", () => {
    const parsed = parseTraceparent(`00-${traceId}-${spanId}-01`);
    expect(parsed).toEqual({ traceId, spanId, flags: 1 });
    expect(formatTraceparent(parsed!)).toBe(`00-${traceId}-${spanId}-01`);
  });

  test("of a later version is read as far as it is known", () => {
    expect(parseTraceparent(`01-${traceId}-${spanId}-00-more`)).toEqual({ traceId, spanId, flags: 0 });
  });

  test("that is garbage counts as none", () => {
    const zeros = "0".repeat(32);
    const garbage = ["", "x", `ff-${traceId}-${spanId}-01`, `00-${zeros}-${spanId}-01`, `00-${traceId}-${"0".repeat(16)}-01`];
    for (const value of [...garbage, `00-${traceId.toUpperCase()}-${spanId}-01`, null, undefined]) {
      expect(parseTraceparent(value)).toBe(undefined);
    }
  });
});
