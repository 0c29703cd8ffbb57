import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { kserveMetrics, kserveRoutes } from "../../src/kserve/mod.ts";
import { httpCase } from "./support/golden-http.ts";
import { startTwins } from "./support/twins.ts";

/** Samples by name and labels, without what needs an engine: caches, queues, the host's memory. */
function samplesOf(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => /^nv_inference_/.test(line) && !line.startsWith("nv_inference_pending"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]));
}

describe("KServe's metrics", () => {
  let twins: Awaited<ReturnType<typeof startTwins>>;
  beforeAll(async () => {
    twins = await startTwins();
  });
  afterAll(() => twins.deployment.close());

  test("have the names, labels and texts of Triton's, and count what passes", async () => {
    const app = kserveRoutes(twins.host);
    const { path, body } = httpCase("infer_ok_json");
    for (let i = 0; i < 2; i++) await app.request(path, { method: "POST", body });
    const raiser = httpCase("err_model_tritonerror_internal");
    await app.request(raiser.path, { method: "POST", body: raiser.body });
    const answer = await kserveMetrics(twins.host).request("/metrics");
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
    const text = await answer.text();
    const samples = samplesOf(text);
    const recorded = new TextDecoder().decode(httpCase("metrics").answer.body);
    const wanted = [...samplesOf(recorded).keys()].filter((name) => /model="(add_sub|raiser)"/.test(name)).sort();
    expect([...samples.keys()].filter((name) => /model="(add_sub|raiser)"/.test(name)).sort()).toEqual(wanted);
    expect(text.split("\n").filter((line) => line.startsWith("# ") && !recorded.includes(line))).toEqual([]);
    expect(samples.get('nv_inference_request_success{model="add_sub",version="1"}')).toBe("2");
    expect(samples.get('nv_inference_request_failure{model="raiser",reason="OTHER",version="1"}')).toBe("1");
  });

  test("are empty at other paths, and are only read", async () => {
    const { path, answer: recorded } = httpCase("metrics_bad_path");
    const answer = await kserveMetrics(twins.host).request(path);
    expect([answer.status, await answer.text()]).toEqual([recorded.status, ""]);
    expect((await kserveMetrics(twins.host).request("/metrics", { method: "POST" })).status).toBe(405);
  });
});
