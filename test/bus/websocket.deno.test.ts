// Deno only: about its permissions and its own websocket.
import { describe, expect, test } from "bun:test";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { withBroker, wsUrl } from "./support.ts";

const script = new URL("./fixtures/permissions.ts", import.meta.url).pathname;
const environment = "--allow-env=WS_NO_BUFFER_UTIL,WS_NO_UTF_8_VALIDATE";

async function run(flags: readonly string[], urls: readonly string[]) {
  const args = ["run", "--no-prompt", "--no-check", "--allow-net", ...flags, script, ...urls];
  const { stdout, stderr } = await promisify(execFile)("deno", args, { env: { ...process.env, NO_COLOR: "1" } });
  return { ...JSON.parse(stdout) as { kind: string; warnings: string[]; medianMs: number }, stderr };
}

describe("bus on Deno", () => {
  test("works with --allow-net alone, and names the flag that makes websockets fast", async () => {
    await withBroker({}, async (broker) => {
      const { kind, warnings, stderr } = await run([], [wsUrl(broker)]);
      expect([kind, stderr]).toEqual(["websocket", ""]);
      expect(warnings.length).toBe(1);
      expect(warnings[0]).toContain(environment);
    });
  });

  test("takes TCP from a mixed list, without a warning", async () => {
    await withBroker({}, async (broker) => {
      expect(await run([], [wsUrl(broker), broker.tcpUrl])).toMatchObject({ kind: "tcp", warnings: [], stderr: "" });
    });
  });

  test("uses npm ws where its environment permission is granted: small frames do not stall", async () => {
    await withBroker({}, async (broker) => {
      const { kind, warnings, medianMs, stderr } = await run([environment], [wsUrl(broker)]);
      expect([kind, warnings, stderr]).toEqual(["websocket", [], ""]);
      // Deno 2.9's own socket takes 88 ms here.
      expect(medianMs).toBeLessThan(30);
    });
  });
});
