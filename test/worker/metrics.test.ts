import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "../../mod.ts";
import type { Client } from "../../src/client/client.ts";
import { clientMetrics } from "../../src/telemetry/metrics/client-metrics.ts";
import { type Broker, launchNatsServer } from "../../src/testing/nats-server.ts";
import { operator } from "../../src/worker/operator.ts";
import { startWorker, type Worker } from "../../src/worker/worker.ts";
import { until } from "../support/program.ts";
import { failure, type Gate, gate } from "../support/waiting.ts";
import { shapesOf, total } from "../telemetry/page.ts";

let holding: Gate = gate();

const operators = [
  operator({ name: "echo", maxInflight: 2, execute: ({ inputs }) => inputs }),
  operator({ name: "large", inline: false, execute: ({ inputs }) => inputs }),
  operator({
    name: "hold",
    maxInflight: 1,
    async execute() {
      await holding.promise;
      return {};
    },
  }),
  operator({
    name: "count",
    async *execute(_, { signal }) {
      for (let n = 0; n < 100 && !signal.aborted; n++) yield { n: Int32Array.of(n) };
    },
  }),
  operator({
    name: "parent",
    async execute(_, context) {
      const { y } = await context.call("large").infer({ y: Float32Array.of(1) });
      await y?.fetch();
      return {};
    },
  }),
  operator({
    name: "failing",
    execute() {
      throw new Error("out of luck");
    },
  }),
];

describe("the metrics of a worker", () => {
  let broker: Broker;
  let worker: Worker;
  let client: Client;
  const page = async () => await (await fetch(worker.metricsUrl ?? "")).text();
  const requests = async (labels: Record<string, string>) => total(await page(), "waybill_requests_total", labels);

  beforeAll(async () => {
    broker = await launchNatsServer({ maxMemoryBytes: 2 ** 40 });
    worker = await startWorker({ operators, servers: broker.tcpUrl, name: "measured", metricsPort: 0 });
    client = await connect(broker.tcpUrl);
  });
  afterAll(async () => {
    await client.close();
    await worker.drain({ drainMs: 1_000 });
    await broker.stop();
  });

  test("count requests by operator, outcome and mode", async () => {
    const echo = client.operator("echo");
    await echo.infer({ x: Float32Array.of(1, 2) });
    await echo.infer({ x: Float32Array.of(1, 2) }, { mode: "direct" });
    await echo.infer({ x: Float32Array.of(1, 2) }, { mode: "at-most-once" });
    await failure(client.operator("failing").infer({}));
    for (const mode of ["queue", "direct", "at-most-once"]) {
      expect(await requests({ operator: "echo", outcome: "ok", mode, worker: "measured", namespace: "default" })).toBe(1);
    }
    expect(await requests({ operator: "failing", outcome: "unknown", mode: "queue" })).toBe(1);
    const text = await page();
    expect(total(text, "waybill_request_duration_seconds_count", { operator: "echo" })).toBe(3);
    expect(total(text, "waybill_request_queue_seconds_count", { operator: "echo" })).toBe(2);
    expect(total(text, "waybill_tensor_bytes_total", { operator: "echo", direction: "in", way: "inline" })).toBe(24);
    expect(total(text, "waybill_tensor_bytes_total", { operator: "echo", direction: "out", way: "inline" })).toBe(24);
  });

  test("tell what runs, and count what a full instance refuses", async () => {
    holding = gate();
    const running = client.operator("hold").infer({}, { mode: "direct" });
    await until("it runs", async () => total(await page(), "waybill_requests_in_flight", { operator: "hold" }) === 1);
    expect(total(await page(), "waybill_slots", { operator: "hold" })).toBe(1);
    await failure(client.operator("hold").infer({}, { mode: "direct" }));
    expect(await requests({ operator: "hold", outcome: "resource_exhausted", mode: "direct" })).toBe(1);
    holding.open();
    await running;
    expect(total(await page(), "waybill_requests_in_flight", { operator: "hold" })).toBe(0);
  });

  test("count a stream that its reader leaves as canceled", async () => {
    for await (const _ of client.operator("count").stream({})) break;
    await until("it is counted", async () => await requests({ operator: "count", outcome: "canceled", mode: "queue" }) === 1);
    for await (const _ of client.operator("count").stream({})) void 0;
    await until("it is counted", async () => await requests({ operator: "count", outcome: "ok", mode: "queue" }) === 1);
  });

  test("count bytes by the way they went, and what the worker calls itself", async () => {
    await client.operator("parent").infer({});
    const { y } = await client.operator("large").infer({ y: Float32Array.of(1, 2) }, { inline: false });
    await client.operator("echo").infer({ y: y! });
    const text = await page();
    expect(total(text, "waybill_tensor_bytes_total", { operator: "large", direction: "out", way: "reference" })).toBe(12);
    expect(total(text, "waybill_tensor_bytes_total", { operator: "echo", direction: "in", way: "local" })).toBe(8);
    // Both inputs of this test, and what the parent fetched of its child.
    expect(total(text, "waybill_fetched_bytes_total", { way: "local" })).toBe(20);
    expect(total(text, "waybill_client_requests_total", { operator: "large", outcome: "ok", mode: "queue" })).toBe(1);
  });

  test("never have labels that a caller made up", async () => {
    const nobody = client.operator("no-such-operator-at-all");
    await failure(nobody.infer({}, { timeoutMs: 300, mode: "direct" }));
    expect(await page()).not.toContain("no-such-operator");
  });

  test("tell the event loop's lag", async () => {
    const text = await page();
    const lag = (stat: string) => total(text, "waybill_event_loop_lag_seconds", { stat });
    expect(lag("max")).toBeGreaterThanOrEqual(lag("p50"));
    expect(lag("max")).toBeLessThan(60);
  });

  test("are those that the documentation lists", async () => {
    const rows = (await readFile("docs/observability.md", "utf8")).split("\n## A worker's metrics\n")[1]?.split(/\n##+ /)[0] ??
      "";
    const documented = [...rows.matchAll(/^\| `(waybill_\w+)` \| (\w+) \|([^|]*)\|/gm)].map(([, name, type, labels = ""]) => ({
      name,
      type,
      labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).sort(),
    }));
    // Nothing was given up here: a row without a sample shows no labels.
    const shapes = shapesOf(await page(), ["worker", "namespace"]).map((shape) =>
      shape.name === "waybill_dead_letters_total" ? { ...shape, labels: ["operator", "reason"] } : shape
    );
    expect(documented.sort((a, b) => a.name!.localeCompare(b.name!))).toEqual(shapes);
  });

  test("are not there where they are turned off", async () => {
    const silent = await startWorker({ operators, servers: broker.tcpUrl, name: "silent", metricsPort: 0, metrics: false });
    try {
      expect((await fetch(silent.metricsUrl ?? "")).status).toBe(404);
      expect((await fetch(new URL("/healthz", silent.metricsUrl))).status).toBe(200);
      await client.operator("echo").infer({ x: Float32Array.of(1) }, { instance: silent.instance });
    } finally {
      await silent.drain();
    }
  });
});

describe("the metrics of a client", () => {
  test("count its calls and fetches, and name no operator that there is not", async () => {
    const broker = await launchNatsServer({ maxMemoryBytes: 2 ** 40 });
    const metrics = clientMetrics({ labels: { app: "mine" } });
    const worker = await startWorker({ operators, servers: broker.tcpUrl });
    const client = await connect(broker.tcpUrl, { metrics, operatorWaitMs: 300 });
    try {
      const { y } = await client.operator("large").infer({ y: Float32Array.of(1, 2, 3) });
      await y!.fetch();
      await failure(client.operator("failing").infer({}));
      await failure(client.operator("no-such-operator").infer({}));
      for await (const _ of client.operator("count").stream({}, { mode: "direct" })) void 0;
      const { text } = await metrics.page();
      const requests = (labels: Record<string, string>) =>
        total(text, "waybill_client_requests_total", { app: "mine", ...labels });
      expect(requests({ operator: "large", outcome: "ok", mode: "queue" })).toBe(1);
      expect(requests({ operator: "failing", outcome: "unknown" })).toBe(1);
      expect(requests({ operator: "count", outcome: "ok", mode: "direct" })).toBe(1);
      expect(requests({ operator: "_other", outcome: "not_found" })).toBe(1);
      expect(text).not.toContain("no-such-operator");
      expect(total(text, "waybill_fetched_bytes_total", { way: "http" })).toBe(12);
      expect(total(text, "waybill_client_requests_in_flight")).toBe(0);
    } finally {
      metrics.close();
      await client.close();
      await worker.drain({ drainMs: 1_000 });
      await broker.stop();
    }
  });
});
