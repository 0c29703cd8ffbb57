// On one runtime: what bundlers make of the sources does not depend on it.
import { describe, expect, test } from "bun:test";
import { splitWebBundle, webBundle } from "../../scripts/lib/web-bundle.ts";

describe("a bundle for browsers", () => {
  test("holds what calls nodes in a part of its own, without anything of Node", async () => {
    const { atOnce, onDemand } = await splitWebBundle("mod.ts");
    const mark = "waybill-idempotency-key";
    expect(atOnce.filter((part) => part.includes(mark))).toEqual([]);
    expect(onDemand.filter((part) => part.includes(mark)).length).toBe(1);
    const whole = await webBundle("mod.ts");
    expect(whole.imports).toEqual([]);
    expect(whole.inputs.filter((path) => path.includes("connect-node"))).toEqual([]);
  });

  test("holds tracing only where it is imported, and nothing of Node then either", async () => {
    const client = await webBundle("mod.ts");
    const watching = /opentelemetry|prom-client|src\/telemetry\/(tracing|carrier|metrics)/;
    expect(client.inputs.filter((path) => watching.test(path))).toEqual([]);
    const tracing = await webBundle("src/telemetry/tracing.ts");
    expect(tracing.imports).toEqual([]);
    expect(tracing.inputs.some((path) => path.includes("@opentelemetry/api"))).toBe(true);
    expect(tracing.inputs.filter((path) => path.includes("prom-client"))).toEqual([]);
  });
});
