import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { scanJson } from "../../src/kserve/json/scanner.ts";
import { kserveRoutes } from "../../src/kserve/mod.ts";
import { httpImprovements, httpWaiting, shapeOnly } from "./support/golden-cases.ts";
import { type HttpCase, httpCase, httpCaseNames } from "./support/golden-http.ts";
import { startTwins } from "./support/twins.ts";

/** The JSON in front of an answer, and the bytes behind it. */
async function read(headers: Headers, body: Uint8Array<ArrayBuffer>): Promise<{ json: unknown; tail: number[] }> {
  const encoding = headers.get("content-encoding");
  const plain = encoding === null ? body : new Uint8Array(
    await new Response(
      new Blob([body]).stream().pipeThrough(new DecompressionStream(encoding as CompressionFormat)),
    ).arrayBuffer(),
  );
  const length = Number(headers.get("inference-header-content-length") ?? plain.length);
  if (headers.get("content-type")?.startsWith("text/event-stream")) {
    return { json: new TextDecoder().decode(plain).trimEnd(), tail: [] };
  }
  const json = length === 0 ? undefined : JSON.parse(JSON.stringify(scanJson(plain.subarray(0, length))));
  return { json, tail: [...plain.subarray(length)] };
}

function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shapeOf(one)]));
}

describe("KServe over REST, against what a real Triton answered", () => {
  let twins: Awaited<ReturnType<typeof startTwins>>;
  let app: ReturnType<typeof kserveRoutes>;
  beforeAll(async () => {
    twins = await startTwins();
    app = kserveRoutes(twins.host);
    // What statistics are compared with has run before.
    for (const name of ["infer_ok_json", "cache_infer"]) await ask(httpCase(name));
  });
  afterAll(() => twins.deployment.close());

  async function ask({ method, path, headers, body }: HttpCase): Promise<Response> {
    const request = new Request(`http://localhost${path}`, {
      method,
      headers,
      body: method === "GET" || method === "HEAD" ? undefined : body,
    });
    return await app.fetch(request);
  }

  const names = httpCaseNames();

  test("has a word on every case that is not replayed, and on no other", () => {
    const known = [...Object.keys(httpImprovements), ...Object.keys(httpWaiting)];
    expect(known.filter((name) => !names.includes(name))).toEqual([]);
    expect(known.length).toBe(new Set(known).size);
  });

  for (const name of names) {
    if (name in httpWaiting) continue;
    const improvement = httpImprovements[name];
    test(`answers ${name} ${improvement === undefined ? "as Triton does" : `otherwise: ${improvement.reason}`}`, async () => {
      const recorded = httpCase(name);
      const answer = await ask(recorded);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const seen = await read(answer.headers, bytes);
      expect({ status: answer.status, json: seen.json }).toMatchObject({
        status: improvement?.status ?? recorded.answer.status,
      });
      if (improvement?.body !== undefined) {
        expect(JSON.stringify(seen.json)).toMatch(improvement.body);
        return;
      }
      const wanted = await read(recorded.answer.headers, recorded.answer.body);
      if (shapeOnly.has(name)) expect(shapeOf(seen.json)).toEqual(shapeOf(wanted.json));
      else expect(seen).toEqual(wanted);
      expect(answer.headers.get("content-encoding")).toBe(recorded.answer.headers.get("content-encoding"));
    });
  }
});
