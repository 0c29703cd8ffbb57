// On one runtime: what is tested is signals and processes, which are the same under each; smoke.test.ts runs on all.
import { readdir, readFile, stat } from "node:fs/promises";
import { describe, expect, test } from "bun:test";
import { isRunning, until } from "../support/program.ts";
import { childrenOf, untilGone } from "./support.ts";
import { codeOf, slowRequest, withUp } from "./up.ts";

describe("waybill up", () => {
  test("[F7] prints what it starts and stops, and drains on SIGTERM: a running request is still answered", async () => {
    await withUp({ args: ["--name", "demo"] }, async ({ program, client, pids, folder }) => {
      const { answer } = await slowRequest(client, 1_500);
      process.kill(program.pid, "SIGTERM");
      await program.waitFor(/^Stopping Workers$/m);
      expect(await answer).toBe(42);
      expect(await codeOf(program.exited)).toBe(0);
      await untilGone(pids);
      const headlines = program.output.split("\n").filter((line) =>
        /^(Starting|Stopping|Workers|Worker|Deployment) ?/.test(line)
      );
      expect(headlines.map((line) => line.replace(/\d{4,5}/g, "N"))).toEqual([
        "Starting Workers",
        "Starting Worker:",
        "Starting Worker:",
        'Deployment "demo" with 2 workers at nats://127.0.0.1:N and ws://127.0.0.1:N',
        "Workers started ... press Ctrl-C to Exit",
        "Stopping Workers",
        "Workers Stopped Exit Code 0",
      ]);
      expect(program.output).toMatch(
        /^\d\d:\d\d:\d\d\.\d{3} deployment\[waybill\] INFO: \n\nStarting Worker:\n\n\tConfig:\n\t\{/m,
      );
      expect(program.output).toMatch(/name: 'double\.0',\n/);
      for (const what of ["Stopping Worker:", "Worker Stopped:"]) expect(program.output.split(what)).toHaveLength(3);
      expect(await readdir(`${folder}/waybill`)).toEqual([]);
    });
  });

  test("keeps the terminal's Ctrl-C from its workers, which are in process groups of their own", async () => {
    await withUp({}, async ({ pids, program }) => {
      const groups = await Promise.all(pids.map(async (pid) => {
        const text = await readFile(`/proc/${pid}/stat`, "utf8");
        return Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[2]);
      }));
      expect(groups.slice(1)).toEqual(pids.slice(1));
      process.kill(program.pid, "SIGINT");
      expect(await codeOf(program.exited)).toBe(0);
      await untilGone(pids);
    });
  });

  test("ends at once on a second signal", async () => {
    await withUp({}, async ({ program, client, pids }) => {
      const { answer } = await slowRequest(client, 30_000);
      process.kill(program.pid, "SIGINT");
      await program.waitFor(/^Stopping Workers$/m);
      const startedAt = performance.now();
      process.kill(program.pid, "SIGINT");
      expect(await codeOf(program.exited)).toBe(137);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      expect(program.output).toContain("Workers Stopped Exit Code 137");
      await untilGone(pids);
      await client.close();
      expect(await answer).toBeInstanceOf(Error);
    });
  });

  test("ends a worker by force that does not drain in time", async () => {
    await withUp({ env: { TEST_DRAIN_MS: "300" } }, async ({ program, client, pids }) => {
      const [, , double = 0] = pids;
      await slowRequest(client, 30_000);
      // It cannot hear the signal.
      process.kill(double, "SIGSTOP");
      process.kill(program.pid, "SIGTERM");
      expect(await codeOf(program.exited)).toBe(137);
      await untilGone(pids);
    });
  });

  test("leaves no process behind when it is killed, not the broker, nor what workers have started", async () => {
    await withUp({}, async ({ program, client, pids, folder, run }) => {
      const { pid } = await client.operator("child").infer({});
      const grandchild = Number((await pid?.fetch())?.data[0]);
      expect(await isRunning(grandchild)).toBe(true);
      const guard = (await childrenOf(program.pid)).find(({ command }) => command.includes("waybill-guard"))?.pid ?? 0;
      const temporary = /-c (\S+)\/nats-server\.json/.exec(await commandOf(pids[1] ?? 0))?.[1] ?? "";
      await stat(temporary);
      await program.kill("SIGKILL");
      await untilGone([...pids, grandchild, guard]);
      expect(await readdir(`${folder}/waybill`)).toEqual([]);
      await until("the broker's files are gone", () => stat(temporary).then(() => false, () => true));
      expect((await run("ps")).output.trim()).toBe("No deployment runs");
    });
  });
});

async function commandOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ");
}
