import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { operator, Tensor } from "../../mod.ts";
import { type HttpServer, serveHttp } from "../../src/data/http-server.ts";
import { clientHost, kserveRoutes, type KServeRoutesOptions } from "../../src/kserve/mod.ts";
import { type FakeDeployment, startFakeDeployment } from "../../src/testing/mod.ts";
import { eventually } from "../bus/support.ts";

const halves = operator({
  name: "halves",
  inputs: { x: { dtype: "FP16", shape: [-1] } },
  outputs: { y: { dtype: "FP16", shape: [-1] }, z: { dtype: "INT64", shape: [1] } },
  execute: ({ inputs: { x } }) => ({ y: x, z: BigInt64Array.of(9007199254740993n) }),
});

const seen = { aborted: 0, running: 0, yielded: 0 };

const slow = operator({
  name: "slow",
  inputs: { x: { dtype: "INT32", shape: [1] } },
  outputs: { x: { dtype: "INT32", shape: [1] } },
  execute: async ({ inputs }, context) => {
    seen.running++;
    await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
    seen.aborted++;
    return { x: inputs.x };
  },
});

const count = operator({
  name: "count",
  inputs: { n: { dtype: "INT32", shape: [1] } },
  outputs: { i: { dtype: "INT32", shape: [1] } },
  execute: async function* ({ inputs: { n } }, context) {
    for (let i = 0; i < n.data[0]! && !context.signal.aborted; i++) {
      seen.yielded++;
      yield { i: Int32Array.of(i) };
    }
    if (n.data[0] === 3) throw new Error("no more");
  },
});

const echo = operator({ name: "a/b echo", inputs: { x: { dtype: "BYTES", shape: [-1] } }, execute: ({ inputs }) => inputs });

describe("KServe over REST", () => {
  let deployment: FakeDeployment;
  const servers: HttpServer[] = [];
  beforeAll(async () => {
    deployment = await startFakeDeployment({ operators: [halves, slow, count, echo] });
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.close()));
    await deployment.close();
  });

  const routes = (options?: KServeRoutesOptions) => kserveRoutes(clientHost(deployment.client), options);
  const post = (model: string, body: BodyInit, headers: HeadersInit = {}, options?: KServeRoutesOptions) =>
    routes(options).request(`/v2/models/${model}/infer`, { method: "POST", body, headers });
  const counting = (n: number) => JSON.stringify({ inputs: [{ name: "n", datatype: "INT32", shape: [1], data: [n] }] });

  async function serve(): Promise<string> {
    const server = await serveHttp(routes());
    servers.push(server);
    return server.url;
  }

  test("carries half precision as numbers, and 64-bit integers exactly", async () => {
    const answer = await post(
      "halves",
      '{"inputs":[{"name":"x","datatype":"FP16","shape":[3],"data":[[0.5],[NaN],[-Infinity]]}]}',
    );
    expect(await answer.text()).toContain(
      '"data":[0.5,NaN,-Infinity]},{"name":"z","datatype":"INT64","shape":[1],"data":[9007199254740993]}',
    );
  });

  test("answers many times as events or lines to who accepts them, and tells the end and a failure", async () => {
    const events = await post("count", counting(2), { accept: "text/event-stream" });
    expect(events.headers.get("content-type")).toContain("text/event-stream");
    const blocks = (await events.text()).trimEnd().split("\n\n");
    expect(blocks.map((block) => /"data":\[\d\]|event: end/.exec(block)?.[0])).toEqual([
      '"data":[0]',
      '"data":[1]',
      "event: end",
    ]);
    const lines = (await (await post("count", counting(3), { accept: "application/x-ndjson" })).text()).trimEnd().split("\n");
    expect(lines).toHaveLength(4);
    expect(JSON.parse(lines[3]!)).toEqual({ error: 'Operator "count" failed: no more' });
    expect(await (await post("count", counting(1))).text()).toContain('"data":[0]');
    expect((await post("count", counting(0))).status).toBe(501);
  });

  test("ends the operator's call when the client of infer goes away", async () => {
    const url = await serve();
    const controller = new AbortController();
    const body = '{"inputs":[{"name":"x","datatype":"INT32","shape":[1],"data":[1]}]}';
    const answer = fetch(`${url}/v2/models/slow/infer`, { method: "POST", body, signal: controller.signal }).catch(() =>
      "gone"
    );
    await eventually(() => seen.running === 1, "the operator runs");
    controller.abort();
    expect(await answer).toBe("gone");
    await eventually(() => seen.aborted === 1, "the operator is told");
  });

  test("ends the operator's call when the reader of a stream goes away, and makes no more than is read", async () => {
    const url = await serve();
    seen.yielded = 0;
    const answer = await fetch(`${url}/v2/models/count/generate_stream`, { method: "POST", body: '{"n": 100000000}' });
    const reader = answer.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain('data: {"i":0,');
    await reader.cancel();
    let last = -1;
    await eventually(() => {
      const still = seen.yielded === last;
      last = seen.yielded;
      return still;
    }, "the operator stops");
    expect(seen.yielded).toBeLessThan(100_000_000);
  });

  test("lets pages of allowed origins in, and no others", async () => {
    const ask = (origin: string, allowedOrigins?: string[]) =>
      routes({ allowedOrigins }).request("/v2/models/halves/infer", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST" },
      });
    expect((await ask("https://shop.example")).status).toBe(405);
    const allowed = await ask("https://shop.example", ["https://shop.example"]);
    expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([204, "https://shop.example"]);
    expect((await ask("https://else.example", ["https://shop.example"])).headers.get("access-control-allow-origin")).toBe(null);
  });

  test("opens models and actions to keys alone where there are some", async () => {
    const keys = [{ key: "0123456789abcdef", models: ["halves"] }, {
      key: "fedcba9876543210",
      actions: ["statistics" as const],
    }];
    const ask = async (path: string, key?: string) =>
      (await routes({ keys }).request(path, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } })).status;
    expect(await ask("/v2/health/live")).toBe(200);
    expect(await ask("/v2/models/halves")).toBe(401);
    expect(await ask("/v2/models/halves", "0123456789abcdeX")).toBe(401);
    expect(await ask("/v2/models/halves", "0123456789abcdef")).toBe(200);
    expect(await ask("/v2/models/count", "0123456789abcdef")).toBe(403);
    expect(await ask("/v2/models/stats", "0123456789abcdef")).toBe(403);
    expect(await ask("/v2/models/stats", "fedcba9876543210")).toBe(200);
    expect(await ask("/v2", "fedcba9876543210")).toBe(403);
  });

  test("refuses bodies past its limits without reading them to their end", async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536).fill(0x20));
      },
    });
    const request = new Request(
      "http://localhost/v2/models/halves/infer",
      { method: "POST", body: endless, duplex: "half" } as RequestInit,
    );
    const answer = await routes({ maxJsonBytes: 1_000_000 }).request(request);
    expect([answer.status, (await answer.json() as { error: string }).error]).toEqual([
      400,
      expect.stringContaining("exceeds the maximum allowed input size of 1000000 bytes"),
    ]);
    expect(sent).toBeLessThan(2_000_000);
    const announced = await post("halves", "x".repeat(200), {}, { maxJsonBytes: 100 });
    expect(await announced.text()).toContain("of 100 bytes");
    const zeros = new Blob([new Uint8Array(20_000_000)]).stream().pipeThrough(new CompressionStream("gzip"));
    const bomb = await new Response(zeros).arrayBuffer();
    const unpacked = await post("halves", bomb, { "content-encoding": "gzip" }, { maxJsonBytes: 1_000_000 });
    expect([unpacked.status, await unpacked.text()]).toEqual([400, expect.stringContaining("exceeds the maximum")]);
  });

  test("refuses what is not compressed as it says, and encodings that it does not know", async () => {
    expect((await post("halves", "{}", { "content-encoding": "gzip" })).status).toBe(400);
    const unknown = await post("halves", "{}", { "content-encoding": "br" });
    expect([unknown.status, unknown.headers.get("accept-encoding")]).toEqual([501, "gzip, deflate"]);
  });

  test("answers 100 MB of JSON and nested bombs with an error", async () => {
    const large = await post("halves", `{"inputs":[${" ".repeat(100_000_000)}]}`);
    expect([large.status, await large.text()]).toEqual([
      400,
      expect.stringContaining("exceeds the maximum allowed input size"),
    ]);
    const nested = await post("halves", `{"inputs":[{"name":"x","datatype":"FP16","shape":[1],"data":${"[".repeat(1_000_000)}`);
    expect([nested.status, await nested.text()]).toEqual([400, expect.stringContaining("JSON nesting depth exceeds")]);
  });

  test("leaves outputs where they are when asked, for the next operator to read", async () => {
    const answer = await post(
      "halves",
      '{"parameters":{"waybill":true},"inputs":[{"name":"x","datatype":"FP16","shape":[2],"data":[1,2]}],"outputs":[{"name":"y"}]}',
    );
    const { outputs } = await answer.json() as {
      outputs: { data?: unknown; parameters: { waybill_descriptor: string; waybill_byte_size: number } }[];
    };
    expect([outputs.length, outputs[0]!.data, outputs[0]!.parameters.waybill_byte_size]).toEqual([1, undefined, 4]);
    const remote = deployment.client.open(outputs[0]!.parameters.waybill_descriptor);
    expect((await remote.fetch()).toNumbers()).toEqual([1, 2]);
  });

  test("carries bytes as Base64 where that is asked for, both ways", async () => {
    const one = operator({ name: "one", inputs: { x: { dtype: "BYTES", shape: [-1] } }, execute: ({ inputs }) => inputs });
    const other = await startFakeDeployment({ operators: [one] });
    const answer = await kserveRoutes(clientHost(other.client)).request("/v2/models/one/infer", {
      method: "POST",
      body: '{"inputs":[{"name":"x","datatype":"BYTES","shape":[2],"parameters":{"base64":true},"data":["Yf9i",""]}],' +
        '"outputs":[{"name":"x","parameters":{"base64":true}}]}',
    });
    expect(await answer.text()).toContain('"data":["Yf9i",""]');
    await other.close();
  });

  test("takes the bytes of an only input as they are, and gives bytes", async () => {
    const answer = await post("halves", new Uint8Array([0, 0x3c, 0, 0x40]), { "inference-header-content-length": "0" });
    const body = new Uint8Array(await answer.arrayBuffer());
    const length = Number(answer.headers.get("inference-header-content-length"));
    expect(new Tensor("FP16", [2], body.slice(length, length + 4)).toNumbers()).toEqual([1, 2]);
  });

  test("decodes models' names, and refuses those that leave their place", async () => {
    const { status } = await routes().request("/v2/models/a%2Fb%20echo");
    expect(status).toBe(400);
    for (const name of ["..%2f..%2fetc", "%00", "%2e%2e"]) {
      const answer = await routes().request(`/v2/models/x${name}/ready`);
      expect(answer.status).toBe(400);
    }
  });

  test("does not let clients load models or share memory unless that is enabled", async () => {
    const status = async (path: string, method = "POST") => (await routes().request(path, { method })).status;
    expect(await status("/v2/repository/models/halves/load")).toBe(503);
    expect(await status("/v2/systemsharedmemory/region/r/register")).toBe(501);
    expect(await status("/v2/systemsharedmemory/status", "GET")).toBe(501);
  });
});
