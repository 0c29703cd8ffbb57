// A sidecar runs on Node alone.
import { join } from "node:path";
import { afterEach, describe, expect, test } from "bun:test";
import { Cleanup } from "../data/support.ts";
import { local, ownFolder } from "../sidecar/support/node.ts";
import { type Program, startProgram } from "../support/program.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function run(...args: string[]): Program {
  const program = startProgram("src/cli/main.ts", args, { env: { WAYBILL_URL: "" } });
  cleanup.defer(() => program.kill());
  return program;
}

describe("waybill sidecar", () => {
  test("says what it found, serves until a signal, and ends at once at a second one", async () => {
    const socketPath = join(ownFolder(cleanup), "node.sock");
    const flags = ["--socket", socketPath, "--budget", "16MiB", "--no-ucx", "--metrics-port", "0"];
    const program = run("sidecar", "--node", "by-hand", ...flags);
    await program.waitFor(/"Serving"/);
    expect(program.output).toMatch(/Tensors: 16 MiB on .*addon: .*ucx: none. it is off.*Ways: /s);
    const listed = run("tensors", "--socket", socketPath);
    expect((await listed.exited).code).toBe(0);
    expect(listed.output).toBe("by-hand: 0 leases, 0 B of 16.0 MiB\n");
    const [, metrics = ""] = /"metrics":"([^"]+)"/.exec(program.output) ?? [];
    expect(await (await fetch(metrics)).text()).toContain(
      'waybill_store_budget_bytes{node="by-hand",namespace="default"} 16777216',
    );
    expect((await program.kill("SIGTERM")).code).toBe(0);

    const other = run("sidecar", "--node", "by-hand", ...flags);
    const [, url = ""] = await other.waitFor(/"url":"([^"]+)"/);
    const put = { method: "PUT", body: new Uint8Array(8), ...await local({ socketPath }) };
    expect((await fetch(`${url}/v1/tensors?dtype=UINT8&shape=8`, put)).status).toBe(201);
    // It serves what is held for a while.
    void other.kill("SIGINT");
    await other.waitFor(/"leases":1,"msg":"Stopping"/);
    expect((await other.kill("SIGINT")).code).toBe(1);
  });

  test("refuses flags that make no sense", async () => {
    const wrong: [string[], string][] = [
      [["--budget", "much"], '--budget must be bytes such as 1048576, 512MiB or 8GiB, got "much"'],
      [["--port", "70000"], '--port must be a port from 0 to 65535, got "70000"'],
      [["--token-file", "/no/such/file"], '--token-file must be a file that can be read, got "/no/such/file"'],
      [["--node", "a b"], "node"],
    ];
    for (const [flags, message] of wrong) {
      const program = run("sidecar", "--socket", join(ownFolder(cleanup), "x.sock"), ...flags);
      expect((await program.exited).code).toBe(1);
      expect(program.output).toContain(message.replaceAll('"', program.output.includes('\\"') ? '\\"' : '"'));
    }
  });
});
