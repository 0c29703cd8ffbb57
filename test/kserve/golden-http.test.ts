import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { scanJson } from "../../src/kserve/json/scanner.ts";
import { kserveRoutes } from "../../src/kserve/mod.ts";
import { casesByKind, httpImprovements, httpWaiting, memoryCases, shapeOf, shapeOnly } from "./support/golden-cases.ts";
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

  const names = httpCaseNames().filter((name) => !memoryCases.http.includes(name));

  test("has a word on every case that is not replayed, and on no other", () => {
    const known = [...Object.keys(httpImprovements), ...Object.keys(httpWaiting)];
    expect(known.filter((name) => !names.includes(name))).toEqual([]);
    expect(known.length).toBe(new Set(known).size);
  });

  for (const [kind, group] of casesByKind(names.filter((name) => !(name in httpWaiting)))) {
    test(`answers ${group.length} recorded requests as Triton does, or better: ${kind}`, async () => {
      for (const name of group) {
        const improvement = httpImprovements[name];
        const recorded = httpCase(name);
        const answer = await ask(recorded);
        const seen = await read(answer.headers, new Uint8Array(await answer.arrayBuffer()));
        const { status } = answer;
        expect({ name, status, ...seen }).toMatchObject({ name, status: improvement?.status ?? recorded.answer.status });
        if (improvement?.body !== undefined) {
          expect(`${name}: ${JSON.stringify(seen.json)}`).toMatch(improvement.body);
          continue;
        }
        const wanted = await read(recorded.answer.headers, recorded.answer.body);
        const compared = shapeOnly.has(name) ? shapeOf : (value: unknown) => value;
        expect({ name, answer: compared(seen) }).toEqual({ name, answer: compared(wanted) });
        const encoding = answer.headers.get("content-encoding");
        expect({ name, encoding }).toEqual({ name, encoding: recorded.answer.headers.get("content-encoding") });
      }
    });
  }
});
