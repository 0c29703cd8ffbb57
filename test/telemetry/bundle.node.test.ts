// On one runtime: what bundlers make of the sources does not depend on it.
import { describe, expect, test } from "bun:test";
import { webBundle } from "../../scripts/lib/web-bundle.ts";

describe("a bundle for browsers", () => {
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
