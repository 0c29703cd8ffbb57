import { readFile } from "node:fs/promises";
import { describe, expect, test } from "bun:test";
import { isRunning, thisRuntime } from "../support/program.ts";
import { fixture, freePorts, ownPid, whoIs, withDeployment } from "./support.ts";

describe("a deployment", () => {
  test("starts broker and workers, serves, and leaves nothing when it stops", async () => {
    const metrics = await freePorts(2);
    const workers = [{ name: "double", file: fixture("double.ts"), count: 2, args: ["--here"], env: { GREETING: "hello" } }];
    await withDeployment(
      { workers, startingMetricsPort: metrics, runtime: thisRuntime },
      async ({ deployment, client, events }) => {
        expect(deployment.name).toBe("default");
        expect(deployment.workers.map(({ name, state, runtime }) => [name, state, runtime])).toEqual([
          ["double.0", "ready", thisRuntime],
          ["double.1", "ready", thisRuntime],
        ]);
        const { y } = await client.operator("double").infer({ x: Float32Array.of(1, 2) });
        expect([...(await y?.fetch())?.data as Float32Array]).toEqual([2, 4]);
        const { pid, args } = await whoIs(client);
        expect(args).toEqual(["hello", "--here"]);

        const { broker, workers, state } = deployment.status();
        expect(state).toBe("running");
        expect(workers.map((worker) => worker.pid)).toContain(pid);
        for (const [index, { metricsUrl, logFile, operators }] of workers.entries()) {
          expect(metricsUrl).toBe(`http://127.0.0.1:${metrics + index}/metrics`);
          expect(await (await fetch(metricsUrl ?? "")).text()).toContain("waybill_requests_total");
          expect(operators).toEqual(["double", "who"]);
          const lines = (await readFile(logFile, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
          expect(lines.map(({ msg, worker }) => [msg, worker])).toContainEqual(["Connected to the broker", `double.${index}`]);
        }

        expect(await deployment.stop()).toBe(0);
        expect(await deployment.stopped).toBe(0);
        expect(deployment.workers.map((worker) => worker.state)).toEqual(["stopped", "stopped"]);
        for (const gone of [broker?.pid, ...workers.map((worker) => worker.pid)]) {
          expect(await isRunning(gone ?? ownPid)).toBe(false);
        }
        expect(events.map(({ type }) => type).filter((type) => type !== "note" && !type.startsWith("worker-"))).toEqual([
          "starting",
          "started",
          "stopping",
          "stopped",
        ]);
      },
    );
  });
});
