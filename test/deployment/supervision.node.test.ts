// On one runtime: what is tested is processes, which are the same under each; smoke.test.ts runs on all.
import { readFile } from "node:fs/promises";
import { describe, expect, test } from "bun:test";
import { connect } from "../../mod.ts";
import { defineDeployment, type DeploymentEvent, startDeployment } from "../../src/deployment/mod.ts";
import { isRunning, until } from "../support/program.ts";
import { childrenOf, fixture, ownPid, testOptions, untilGone, whoIs, withDeployment, withFolder } from "./support.ts";

type ExitEvent = Extract<DeploymentEvent, { type: "worker-exited" }>;

const exitsOf = (events: readonly DeploymentEvent[]): ExitEvent[] => events.filter((event) => event.type === "worker-exited");

describe("a deployment", () => {
  test("runs workers of every runtime beside each other, each with the operators that it is to serve", async () => {
    const file = fixture("double.ts");
    const workers = (["bun", "deno", "node"] as const).map((runtime) => ({ name: runtime, file, runtime, operators: ["who"] }));
    await withDeployment({ workers: [...workers, { name: "all", file, runtime: "node" }] }, async ({ client }) => {
      const operators = Object.fromEntries((await client.operators()).map(({ name, instances }) => [name, instances]));
      expect(operators.who?.map(({ name, runtime }) => [name, runtime.split(" ")[0]]).sort()).toEqual([
        ["all.0", "node"],
        ["bun.0", "bun"],
        ["deno.0", "deno"],
        ["node.0", "node"],
      ]);
      expect(operators.double?.map(({ name }) => name)).toEqual(["all.0"]);
    });
  });

  test("starts a killed worker again, with what it had started gone", async () => {
    await withDeployment({ workers: [{ name: "w", file: fixture("spawning.ts") }] }, async ({ deployment, client, events }) => {
      const childPid = async () => {
        const { pid } = await client.operator("child").infer({}, { timeoutMs: 20_000 });
        return Number((await pid?.fetch())?.data[0]);
      };
      const grandchild = await childPid();
      const [before] = deployment.workers;
      process.kill(before?.pid ?? 0, "SIGKILL");
      await until("it is ready again", () => deployment.workers[0]?.restarts === 1 && deployment.workers[0].state === "ready");
      expect(await isRunning(grandchild)).toBe(false);
      expect(deployment.workers[0]?.pid).not.toBe(before?.pid);
      expect(deployment.workers[0]?.lastExit).toEqual({ code: null, signal: "SIGKILL" });
      expect(await childPid()).not.toBe(grandchild);
      expect(exitsOf(events)).toHaveLength(1);
      expect(await deployment.stop()).toBe(0);
    });
  });

  test("reports a crash loop with the end of the log and growing waits, and goes on with the others", async () => {
    const file = fixture("double.ts");
    const workers = [{ name: "good", file, operators: ["double"] }, { name: "bad", file, operators: ["who"] }];
    const restart = { backoffMs: 100, maxBackoffMs: 400, maxRestarts: 3 };
    await withDeployment({ workers, restart }, async ({ deployment, client, events }) => {
      // What is wrong with it comes after it was ready.
      const bad = () => deployment.workers[1];
      for (let death = 1; death <= 4; death++) {
        await until("it is ready", () => bad()?.state === "ready" && bad()?.restarts === death - 1);
        process.kill(bad()?.pid ?? 0, "SIGKILL");
        await until("its end is reported", () => exitsOf(events).length === death);
      }
      const exits = exitsOf(events);
      expect(bad()?.state).toBe("failed");
      expect(exits.map(({ worker, inARow }) => [worker.name, inARow])).toEqual([1, 2, 3, 4].map((n) => ["bad.0", n]));
      expect(exits.map(({ worker }) => worker.state)).toEqual(["restarting", "crash-looping", "crash-looping", "failed"]);
      expect(exits[1]?.worker.reason).toMatch(/^ended with signal SIGKILL, 2 times in a row, and starts again in 0\.\d s$/);
      expect(deployment.components.map(({ name, health, ready }) => [name, health, ready])).toEqual([
        ["good", "ready", 1],
        ["bad", "failed", 0],
      ]);
      const waits = exits.map(({ restartInMs }) => restartInMs);
      for (const [index, full] of [100, 200, 400].entries()) {
        expect(waits[index]).toBeGreaterThanOrEqual(full * 0.75);
        expect(waits[index]).toBeLessThanOrEqual(full);
      }
      expect(waits[3]).toBe(undefined);
      for (const { log } of exits) expect(log.join("\n")).toContain('"msg":"Connected to the broker"');
      const { y } = await client.operator("double").infer({ x: Float32Array.of(4) });
      expect((await y?.fetch())?.data[0]).toBe(8);
      // 128 + 9: that one worker did not end well is not forgotten.
      expect(await deployment.stop()).toBe(137);
    });
  });

  test("fails to start when a worker keeps ending, says why, and leaves nothing", async () => {
    await withFolder(async (folder) => {
      const workers = [{ name: "good", file: fixture("double.ts") }, { name: "bad", file: fixture("crash.ts") }];
      const events: DeploymentEvent[] = [];
      const options = { stateDir: `${folder}/state`, onEvent: (event: DeploymentEvent) => events.push(event) };
      const start = startDeployment(defineDeployment(testOptions(folder, { workers })), options);
      await expect(start).rejects.toThrow(
        /^\[failed_precondition\] Cannot start the worker "bad\.0": it ended 3 times in a row, last with exit code 3\. Its log ends with:\n(.*\n)*this is why: the model is missing\nThe log is .*bad\.0\.log$/,
      );
      const pids = events.flatMap((event) => event.type === "worker-starting" ? [event.worker.pid ?? 0] : []);
      expect(pids).toHaveLength(4);
      await untilGone(pids);
      await until(
        "its broker has ended",
        async () => (await childrenOf(ownPid)).every(({ command }) => !command.includes(folder)),
      );
    });
  });

  test("says what is wrong with a file that defines no worker", async () => {
    await withFolder(async (folder) => {
      const options = testOptions(folder, { workers: [{ name: "quiet", file: fixture("quiet.ts") }] });
      const start = startDeployment(defineDeployment(options), { stateDir: `${folder}/state` });
      await expect(start).rejects.toThrow(
        "exit code 0; its file's default export must be a worker (defineWorker). Its log is empty",
      );
    });
  });

  test("gives up in time on a worker that never serves, and names it", async () => {
    await withFolder(async (folder) => {
      const wait = { name: "w", file: fixture("../echo.ts"), args: ["wait"] };
      const start = startDeployment(
        defineDeployment(testOptions(folder, { workers: [wait], startTimeoutMs: 2_000, drainMs: 0 })),
        {
          stateDir: `${folder}/state`,
        },
      );
      await expect(start).rejects.toThrow(/not ready are w\.0 \(starting, .*w\.0\.log\); all must be within 2000 ms$/);
    });
  });

  test("gives up starting when it is aborted, and leaves nothing", async () => {
    await withFolder(async (folder) => {
      const controller = new AbortController();
      const pids: number[] = [];
      const start = startDeployment(defineDeployment(testOptions(folder, {})), {
        stateDir: `${folder}/state`,
        signal: controller.signal,
        onEvent(event) {
          if (event.type !== "worker-starting") return;
          pids.push(event.worker.pid ?? 0);
          controller.abort(new Error("enough"));
        },
      });
      await expect(start).rejects.toThrow("enough");
      expect(pids).toHaveLength(1);
      for (const pid of pids) expect(await isRunning(pid)).toBe(false);
    });
  });

  test("starts a killed broker again on its ports, and everyone finds back", async () => {
    await withDeployment({}, async ({ deployment, client, events }) => {
      const before = deployment.status().broker;
      process.kill(before?.pid ?? 0, "SIGKILL");
      await until("it is there again", () => events.some(({ type }) => type === "broker-restarted"));
      const after = deployment.status().broker;
      expect(after).toMatchObject({ tcpUrl: before?.tcpUrl, wsUrl: before?.wsUrl, restarts: 1, state: "ready" });
      const { y } = await client.operator("double").infer({ x: Float32Array.of(3) }, { timeoutMs: 30_000 });
      expect((await y?.fetch())?.data[0]).toBe(6);
      expect(deployment.workers[0]?.restarts).toBe(0);
    });
  });

  test("replaces its guard when that is killed", async () => {
    const guards = async () => (await childrenOf(ownPid)).filter(({ command }) => command.includes("waybill-guard"));
    const others = (await guards()).map(({ pid }) => pid);
    await withDeployment({}, async () => {
      const [guard] = (await guards()).filter(({ pid }) => !others.includes(pid));
      process.kill(guard?.pid ?? 0, "SIGKILL");
      await until("there is another", async () => {
        return (await guards()).some(({ pid }) => pid !== guard?.pid && !others.includes(pid));
      });
    });
    await until("it is gone with the deployment", async () => (await guards()).every(({ pid }) => others.includes(pid)));
  });

  test("[W8] deletes only its own earlier logs, and makes a missing folder", async () => {
    await withDeployment({ clearLogs: true }, async ({ deployment, folder }) => {
      await deployment.stop();
      const { writeFile } = await import("node:fs/promises");
      await writeFile(`${folder}/logs/notes.log`, "mine");
      await writeFile(`${folder}/logs/double.0.log`, "from an earlier run\n");
      const again = await startDeployment(defineDeployment(testOptions(folder, { clearLogs: true })), {
        stateDir: `${folder}/state`,
      });
      await again.stop();
      expect(await readFile(`${folder}/logs/notes.log`, "utf8")).toBe("mine");
      expect(await readFile(`${folder}/logs/double.0.log`, "utf8")).not.toContain("from an earlier run");
      const third = await startDeployment(defineDeployment(testOptions(folder, {})), { stateDir: `${folder}/state` });
      await third.stop();
      const text = await readFile(`${folder}/logs/double.0.log`, "utf8");
      expect(text.match(/"msg":"Serving"/g)).toHaveLength(2);
    });
  });

  test("uses a broker that is there already, with its token", async () => {
    const token = "t0p-secret";
    await withDeployment(
      { broker: { port: 0, websocketPort: 0 }, token, workers: [] },
      async ({ deployment, folder }) => {
        const { tcpUrl = "" } = deployment.status().broker ?? {};
        const options = testOptions(folder, { servers: tcpUrl, token, logDir: `${folder}/other` });
        const second = await startDeployment(defineDeployment(options), { stateDir: `${folder}/state` });
        try {
          expect([deployment.name, second.name]).toEqual(["default", "default-2"]);
          expect(second.status().broker).toBe(undefined);
          const client = await connect(second.urls, { token });
          expect((await whoIs(client)).pid).toBe(second.workers[0]?.pid);
          await client.close();
          expect(JSON.stringify([second.status(), deployment.status()])).not.toContain(token);
        } finally {
          await second.stop();
        }
        // The broker is not its own to stop.
        expect(await isRunning(deployment.status().broker?.pid ?? 0)).toBe(true);
      },
      {},
      { token },
    );
  });
});
