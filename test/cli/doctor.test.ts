import { createServer } from "node:net";
import { describe, expect, test } from "bun:test";
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
      expect.arrayContaining(["port 4222", "port 9222", "UCX", "Triton", "GPU", "shared memory", "open files"]),
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
