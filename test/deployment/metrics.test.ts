import { readFile } from "node:fs/promises";
import { describe, expect, test } from "bun:test";
import { connect } from "../../mod.ts";
import { until } from "../support/program.ts";
import { parsePage } from "../../src/telemetry/metrics/parse-page.ts";
import { type MetricShape, shapesOf, total } from "../telemetry/page.ts";
import { fixture, freePorts, ownPid, withDeployment } from "./support.ts";

/** The metrics that a section of the page lists. */
async function documented(section: string): Promise<MetricShape[]> {
  const page = (await readFile("docs/observability.md", "utf8")).split(`\n## ${section}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...page.matchAll(/^\| `(waybill_\w+)` \| (\w+) \|([^|]*)\|/gm)].map(([, name = "", type = "", labels = ""]) => ({
    name,
    type,
    labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = ""]) => label).sort(),
  })).sort((a, b) => a.name.localeCompare(b.name));
}

describe("the metrics of a deployment", () => {
  test("tell its queues, dead letters, workers and broker, as the documentation lists them", async () => {
    const workers = [{ name: "double", file: fixture("double.ts"), operators: ["double"], count: 2 }];
    await withDeployment({ workers, metricsPort: 0 }, async ({ deployment, client, folder }) => {
      const { metricsUrl = "", workers } = deployment.status();
      const page = async () => await (await fetch(metricsUrl)).text();
      const sees = (what: string, name: string, labels: Record<string, string>, value: number) =>
        until(what, async () => total(await page(), name, labels) === value);
      expect((await fetch(new URL("/healthz", metricsUrl))).status).toBe(200);

      // Nobody serves it: what is posted stays.
      const tool = await connect(deployment.urls, { local: { role: "supervisor", folder: `${folder}/state` } });
      await tool.declare("later", { priorities: 2 });
      await tool.close();
      const later = client.operator("later");
      await Promise.all([later.post({}), later.post({}), later.post({}, { priority: 1 })]);
      await sees("its requests are there", "waybill_queue_messages", { operator: "later", namespace: "default" }, 3);
      const text = await page();
      expect(total(text, "waybill_queue_bytes", { operator: "later" })).toBeGreaterThan(30);
      expect(total(text, "waybill_queue_oldest_seconds", { operator: "later" })).toBeGreaterThan(0);
      expect(total(text, "waybill_queue_pending", { operator: "later", version: "1", priority: "0" })).toBe(2);
      expect(total(text, "waybill_queue_pending", { operator: "later", version: "1", priority: "1" })).toBe(1);
      expect(total(text, "waybill_operator_instances", { operator: "later" })).toBe(0);
      expect(total(text, "waybill_operator_instances", { operator: "double" })).toBe(2);
      expect(total(text, "waybill_queue_waiting_pulls", { operator: "double" })).toBeGreaterThan(0);

      // Both workers are busy for longer than the last request has time.
      const x = Float32Array.of(1);
      const busy = Array.from({ length: 10 }, () => client.operator("double").infer({ x }, { parameters: { waitMs: 1_500 } }));
      await sees("they run", "waybill_queue_unacknowledged", { operator: "double" }, 10);
      await client.operator("double").post({ x }, { timeoutMs: 100 });
      await Promise.all(busy);
      await sees("it is given up", "waybill_dead_letters", { operator: "double" }, 1);

      expect(total(text, "waybill_workers", { state: "ready" })).toBe(2);
      process.kill(workers[0]?.pid ?? ownPid, "SIGKILL");
      await sees("its end is told", "waybill_worker_restarts_total", { worker: "double.0" }, 1);
      await sees("it serves again", "waybill_worker_up", { worker: "double.0" }, 1);
      expect(shapesOf(await page(), ["namespace"])).toEqual(await documented("A deployment's metrics"));
    });
  }, 60_000);

  test("say that the broker is away while it is", async () => {
    await withDeployment({ metricsPort: 0 }, async ({ deployment }) => {
      const { metricsUrl = "", broker } = deployment.status();
      const up = async () => total(await (await fetch(metricsUrl)).text(), "waybill_broker_up");
      expect(await up()).toBe(1);
      process.kill(broker?.pid ?? ownPid, "SIGSTOP");
      try {
        await until("it is told", async () => await up() === 0, 20_000);
      } finally {
        process.kill(broker?.pid ?? ownPid, "SIGCONT");
      }
      await until("it is back", async () => await up() === 1, 20_000);
    });
  }, 60_000);

  test("are before those of its workers, or anywhere where that port is taken", async () => {
    const first = await freePorts(3);
    await withDeployment({ startingMetricsPort: first + 1 }, async ({ deployment }) => {
      expect(deployment.status().metricsUrl).toBe(`http://127.0.0.1:${first}/metrics`);
      await withDeployment({ startingMetricsPort: first + 1, workers: [] }, async ({ deployment }) => {
        const { metricsUrl = "" } = deployment.status();
        expect(new URL(metricsUrl).port).not.toBe(String(first));
        expect(parsePage(await (await fetch(metricsUrl)).text()).length).toBeGreaterThan(10);
      });
    });
  }, 60_000);
});
