import { Hono } from "hono";
import type { ModelStatistics, StatisticDuration } from "../../gen/inference/management_pb.ts";
import type { ModelHost } from "./host.ts";
import { errorAnswer, jsonAnswer } from "./rest/answers.ts";

/** A family of counters, and its value for one model; in µs where it is a time. */
type Family = readonly [name: string, help: string, value: (statistics: ModelStatistics) => bigint];

const count = (duration: StatisticDuration | undefined) => duration?.count ?? 0n;
const micros = (duration: StatisticDuration | undefined) => (duration?.ns ?? 0n) / 1_000n;

const FAMILIES: readonly Family[] = [
  [
    "nv_inference_request_success",
    "Number of successful inference requests, all batch sizes",
    ({ inferenceStats }) => count(inferenceStats?.success),
  ],
  [
    "nv_inference_count",
    "Number of inferences performed (does not include cached requests)",
    ({ inferenceCount }) => inferenceCount,
  ],
  [
    "nv_inference_exec_count",
    "Number of model executions performed (does not include cached requests)",
    ({ executionCount }) => executionCount,
  ],
  [
    "nv_inference_request_duration_us",
    "Cumulative inference request duration in microseconds (includes cached requests)",
    ({ inferenceStats }) => micros(inferenceStats?.success),
  ],
  [
    "nv_inference_queue_duration_us",
    "Cumulative inference queuing duration in microseconds (includes cached requests)",
    ({ inferenceStats }) => micros(inferenceStats?.queue),
  ],
  [
    "nv_inference_compute_input_duration_us",
    "Cumulative compute input duration in microseconds (does not include cached requests)",
    ({ inferenceStats }) => micros(inferenceStats?.computeInput),
  ],
  [
    "nv_inference_compute_infer_duration_us",
    "Cumulative compute inference duration in microseconds (does not include cached requests)",
    ({ inferenceStats }) => micros(inferenceStats?.computeInfer),
  ],
  [
    "nv_inference_compute_output_duration_us",
    "Cumulative inference compute output duration in microseconds (does not include cached requests)",
    ({ inferenceStats }) => micros(inferenceStats?.computeOutput),
  ],
];

/** Statistics do not tell why requests failed: `OTHER` counts them all. */
const REASONS = ["REJECTED", "CANCELED", "BACKEND", "OTHER"] as const;
const FAILURES = "nv_inference_request_failure";

/** What models did, in Prometheus' text format under Triton's names. */
export function metricsText(statistics: readonly ModelStatistics[]): string {
  const lines: string[] = [];
  const family = (name: string, help: string, samples: readonly string[]) =>
    void lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} counter`, ...samples);
  for (const [name, help, value] of FAMILIES) {
    family(
      name,
      help,
      statistics.map((one) => `${name}{model="${label(one.name)}",version="${label(one.version)}"} ${value(one)}`),
    );
  }
  const failures = statistics.flatMap(({ name, version, inferenceStats }) =>
    REASONS.map((reason) =>
      `${FAILURES}{model="${label(name)}",reason="${reason}",version="${label(version)}"} ` +
      `${reason === "OTHER" ? count(inferenceStats?.fail) : 0}`
    )
  );
  family(FAILURES, "Number of failed inference requests, all batch sizes", failures);
  return `${lines.join("\n")}\n`;
}

/** The app of the metrics' port, 8002 with Triton: `GET /metrics`. Other paths are empty, as with Triton. Whoever reaches it may read it. */
export function kserveMetrics(host: ModelHost): Hono {
  const app = new Hono();
  app.all("*", async (c) => {
    const { method, path } = c.req;
    if (method !== "GET") return jsonAnswer('{"error":"Method Not Allowed"}', 405);
    try {
      const text = path === "/metrics" || path === "/metrics/" ? metricsText(await host.statistics("", "", {})) : "";
      return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8" } });
    } catch (error) {
      return errorAnswer(error);
    }
  });
  return app;
}

function label(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
