import { createServer } from "node:net";
import { describe, expect, test } from "bun:test";
import { fakeCuda } from "../../scripts/lib/native-build.ts";
import { locateUcx } from "../../src/native/mod.ts";
import { unlessNative } from "../native/support/native.ts";
import { startProgram } from "../support/program.ts";

interface Report {
  ok: boolean;
  findings: { name: string; state: string; required: boolean; found: string; advice?: string }[];
}

async function doctor(env: Record<string, string> = {}): Promise<{ code: number | null; report: Report }> {
  const program = startProgram("src/cli/main.ts", ["doctor", "--json"], { env });
  const { code } = await program.exited;
  const [text] = await program.waitFor(/^\{[^]*\n\}$/m);
  return { code, report: JSON.parse(text) };
}

describe("waybill doctor", () => {
  test("finds the pinned runtimes and a broker, and ends with 0", async () => {
    const { code, report } = await doctor();
    const seen = Object.fromEntries(report.findings.map(({ name, state }) => [name, state]));
    expect(seen).toMatchObject({ node: "ok", bun: "ok", deno: "ok", broker: "ok" });
    expect(report.findings.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["port 4222", "port 9222", "native addon", "UCX", "Triton", "GPU", "shared memory", "open files"]),
    );
    expect([code, report.ok]).toEqual([0, true]);
  });

  test("says how to get a broker where there is none, and ends with 1", async () => {
    const { code, report } = await doctor({ PATH: "/nowhere", NATS_SERVER_BIN: "", XDG_CACHE_HOME: "/nowhere" });
    const broker = report.findings.find(({ name }) => name === "broker");
    expect(broker).toMatchObject({ state: "missing", required: true });
    expect(broker?.advice).toContain("go install");
    expect([code, report.ok]).toEqual([1, false]);
  });

  unlessNative("tells the addon, UCX with what it can do, and GPUs", async () => {
    const env = { WAYBILL_LIBCUDA: fakeCuda };
    const { report } = await doctor(env);
    const found = Object.fromEntries(report.findings.map(({ name, found }) => [name, found]));
    expect(found["native addon"]).toMatch(/^\d+\.\d+\.\d+ at .*waybill\.node$/);
    if (await locateUcx() !== undefined) expect(found.UCX).toMatch(/^1\.\d+\.\d+ from .*, transports .*tcp.*, devices .*lo/);
    expect(found.GPU).toBe("Fake GPU 0, 0.1 GiB; Fake GPU 1, 0.1 GiB, CUDA 12.9");
  });

  test("says why there is no addon and no UCX, which is no failure", async () => {
    const { code, report } = await doctor({ WAYBILL_NATIVE: "/nowhere/waybill.node", UCX_LIBRARY: "/nowhere/libucp.so.0" });
    const finding = (name: string) => report.findings.find((finding) => finding.name === name);
    expect(finding("native addon")).toMatchObject({ state: "missing", required: false });
    expect(finding("native addon")?.found).toContain("/nowhere/waybill.node");
    expect(finding("native addon")?.advice).toContain("npm run native");
    expect(finding("UCX")).toMatchObject({ state: "missing", found: "no libucp.so.0" });
    expect(code).toBe(0);
  });

  test("prints a table that ends with the verdict", async () => {
    const program = startProgram("src/cli/main.ts", ["doctor"]);
    await program.exited;
    await program.waitFor(/^ok +broker +nats-server 2\.\d+\.\d+ from /m);
    expect(program.output.trimEnd()).toMatch(/Everything required is there$/);
  });

  test("tells a port that another program has from one that is free", async () => {
    const server = createServer();
    const taken = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen({ host: "127.0.0.1", port: 9222 }, () => resolve(true));
    });
    try {
      const { report } = await doctor();
      const port = report.findings.find(({ name }) => name === "port 9222");
      // Where the port was taken before this test, a broker may be what has it.
      if (taken && report.findings.find(({ name }) => name === "broker answers")?.state === "missing") {
        expect(port).toMatchObject({ state: "warning", found: "taken by another program" });
      } else {
        expect(port?.found).toContain("taken");
      }
    } finally {
      server.close();
    }
  });
});
