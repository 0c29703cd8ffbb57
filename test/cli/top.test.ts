import { describe, expect, test } from "bun:test";
import { rowsBetween } from "../../src/cli/top/rates.ts";
import { bytes, renderTop, seconds } from "../../src/cli/top/render.ts";
import type { Snapshot } from "../../src/cli/top/snapshot.ts";
import type { WorkerStatus } from "../../src/deployment/mod.ts";
import { parsePage } from "../../src/telemetry/metrics/parse-page.ts";

const state = (name: string) => ({ name, state: "ready" }) as WorkerStatus;

function snapshot(atMs: number, workers: Record<string, string>, own?: string): Snapshot {
  const status = { state: "running", workers: Object.keys(workers).map(state) };
  return {
    deployment: { name: "demo", pid: 1, file: undefined, startedAtMs: 0, folders: [], status } as never,
    atMs,
    own: own === undefined ? undefined : parsePage(own),
    workers: new Map(Object.entries(workers).map(([process, page]) => [process, parsePage(page)])),
  };
}

function page(ok: number, failed: number, quick: number, slow: number, inline: number): string {
  return [
    `waybill_slots{operator="enc"} 5`,
    `waybill_requests_in_flight{operator="enc"} 2`,
    `waybill_requests_total{operator="enc",outcome="ok",mode="queue"} ${ok}`,
    `waybill_requests_total{operator="enc",outcome="internal",mode="direct"} ${failed}`,
    `waybill_request_duration_seconds_bucket{operator="enc",le="0.01"} ${quick}`,
    `waybill_request_duration_seconds_bucket{operator="enc",le="0.1"} ${quick + slow}`,
    `waybill_request_duration_seconds_bucket{operator="enc",le="+Inf"} ${quick + slow}`,
    `waybill_redeliveries_total{operator="enc"} 1`,
    `waybill_tensor_bytes_total{operator="enc",direction="in",way="inline"} ${inline}`,
    `waybill_tensor_bytes_total{operator="enc",direction="out",way="inline"} ${inline}`,
    `waybill_event_loop_lag_seconds{stat="p99"} 0.25`,
  ].join("\n");
}

const own = [
  `waybill_broker_up 1`,
  `waybill_queue_messages{operator="enc"} 9`,
  `waybill_queue_messages{operator="later"} 3`,
  `waybill_queue_pending{operator="enc",version="1",priority="0"} 4`,
  `waybill_queue_pending{operator="enc",version="1",priority="1"} 1`,
  `waybill_queue_oldest_seconds{operator="enc"} 2.5`,
  `waybill_dead_letters{operator="enc"} 7`,
  `waybill_operator_instances{operator="enc"} 2`,
].join("\n");

describe("what waybill top shows", () => {
  test("are rates over the time between two looks, and what is there now", () => {
    const before = snapshot(1_000, { "a 1": page(10, 0, 10, 0, 0) }, own);
    const after = snapshot(3_000, { "a 1": page(110, 4, 60, 50, 2_048), "b 2": page(0, 0, 0, 0, 0) }, own);
    const { operators, ...facts } = rowsBetween(before, after);
    expect(facts).toEqual({
      name: "demo",
      state: "running",
      workers: 2,
      workersReady: 2,
      workersMeasured: 2,
      brokerUp: true,
      eventLoopLagP99Seconds: 0.25,
    });
    expect(operators).toEqual([
      {
        operator: "enc",
        instances: 2,
        inFlight: 4,
        slots: 10,
        queued: 5,
        oldestSeconds: 2.5,
        deadLetters: 7,
        requestsPerSecond: 52,
        errorsPerSecond: 2,
        p50Seconds: 0.01,
        p99Seconds: expect.closeTo(0.0982, 4),
        redeliveries: 2,
        bytesPerSecond: { inline: 2_048 },
      },
      expect.objectContaining({ operator: "later", inFlight: 0, slots: 0, queued: 0, requestsPerSecond: 0 }),
    ]);
  });

  test("begins anew with a worker that was started again", () => {
    const before = snapshot(0, { "a 1": page(1_000, 0, 1_000, 0, 0) });
    const after = snapshot(1_000, { "a 2": page(5, 0, 5, 0, 0) });
    expect(rowsBetween(before, after).operators[0]?.requestsPerSecond).toBe(5);
  });

  test("leaves out what nobody tells", () => {
    const [, head, enc] = renderTop([rowsBetween(undefined, snapshot(0, { "a 1": page(1, 0, 1, 0, 0) }))]);
    const columns = head?.trim().split(/ {2,}/) ?? [];
    expect(Object.fromEntries(enc?.trim().split(/ {2,}/).map((cell, at) => [columns[at], cell]) ?? [])).toMatchObject({
      "OPERATOR": "enc",
      "INST": "-",
      "IN FLIGHT": "2/5",
      "QUEUE": "-",
      "REQ/S": "0",
      "P50": "-",
      "BYTES/S": "-",
    });
    expect(renderTop([])).toEqual(["No deployment runs"]);
  });

  test("has units that suit the values", () => {
    expect([0.00042, 0.0101, 0.25, 1.25, 240].map(seconds)).toEqual(["0.4 ms", "10 ms", "250 ms", "1.3 s", "240 s"]);
    expect([0, 12, 1_536, 200 * 2 ** 20, 3 * 2 ** 40].map(bytes)).toEqual(["0 B", "12 B", "1.5 KB", "200 MB", "3072 GB"]);
  });
});
