import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "bun:test";
import { type ChangeProgress, changeRunning } from "../../src/deployment/mod.ts";
import { failure } from "../support/waiting.ts";
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

  test("is changed from another process by the name that it is listed with", async () => {
    await withDeployment(
      { workers: [{ name: "double", file: fixture("double.ts") }] },
      async ({ deployment, client, folder }) => {
        const change = { command: "scale", component: "double", count: 2 } as const;
        const steps: string[] = [];
        const options = {
          folder: join(folder, "state"),
          onProgress: ({ worker, step }: ChangeProgress) => steps.push(`${worker} ${step}`),
        };
        expect(await changeRunning("default", change, options)).toMatchObject({
          name: "default",
          components: [{ name: "double", count: 2, ready: 2, health: "ready" }],
        });
        expect(steps).toEqual(["double.1 starting", "double.1 ready"]);
        await changeRunning(undefined, { command: "restart", component: "double.0" }, options);
        await changeRunning(undefined, { command: "remove", component: "double" }, options);
        expect(deployment.workers).toEqual([]);
        expect((await client.operators()).flatMap(({ instances }) => instances)).toEqual([]);
        const late = await failure(
          changeRunning(undefined, change, { ...options, signal: AbortSignal.abort(new Error("enough")) }),
        );
        expect(late.code).toBe(Code.Canceled);
        const wrong = await failure(changeRunning(undefined, change, options));
        expect([wrong.code, wrong.rawMessage]).toEqual([Code.NotFound, 'Cannot scale "double": the deployment has none']);
        const none = await failure(deployment.scale("double", 1, { drainMs: NaN }));
        expect(none.rawMessage).toBe("Cannot change the deployment: drainMs must be a number of milliseconds from 0, got null");
      },
    );
  });
});
