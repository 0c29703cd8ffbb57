import { afterEach, describe, expect, test } from "bun:test";
import { TensorStore } from "../../src/data/mod.ts";
import { createTensorApp, type TensorAppOptions } from "../../src/data/server.ts";
import { DTYPES, Tensor } from "../../src/tensor/mod.ts";
import { type Waybill, waybillFromJson, waybillFromString, waybillToString } from "../../src/waybill/mod.ts";
import { bytesTensor, Cleanup, pattern } from "./support.ts";

const token = "a-token-of-some-length";
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function routes(options: TensorAppOptions = {}) {
  const store = cleanup.add(new TensorStore({ node: "node-h", ways: [{ kind: "http", url: "http://node-h/v1/tensors" }] }));
  return { store, app: createTensorApp(store, options) };
}

function urlOf(waybill: Waybill): string {
  return (waybill.ways[0] as { url: string }).url;
}

function bearer(waybill: Waybill): { authorization: string } {
  const text = btoa(String.fromCharCode(...waybill.capability)).replace(/=+$/, "");
  return { authorization: `Bearer ${text.replaceAll("+", "-").replaceAll("/", "_")}` };
}

describe("GET /v1/tensors/:reference", () => {
  test("gives the bytes and says what they are", async () => {
    const { store, app } = routes();
    const waybill = await store.put(Tensor.from("FP32", [[1, 2, 3]]));
    const answer = await app.request(urlOf(waybill), { headers: bearer(waybill) });
    expect(answer.status).toBe(200);
    expect(new Float32Array(await answer.arrayBuffer())).toEqual(new Float32Array([1, 2, 3]));
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "accept-ranges": "bytes",
      "cache-control": "no-store",
      "content-length": "12",
      "content-type": "application/octet-stream",
      "waybill-dtype": "FP32",
      "waybill-shape": "1,3",
    });
    const head = await app.request(urlOf(waybill), { method: "HEAD", headers: bearer(waybill) });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "12", ""]);
  });

  test("takes the waybill's string for reference and capability, and nothing that is not whole", async () => {
    const { store, app } = routes();
    const waybill = await store.put(bytesTensor(10));
    const text = waybillToString(waybill);
    const answer = await app.request(`/v1/tensors/${text}`, { headers: { range: "bytes=2-3" } });
    expect([answer.status, answer.headers.get("referrer-policy")]).toEqual([206, "no-referrer"]);
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(pattern(10).subarray(2, 4));
    const other = new TensorStore({ node: "node-h" });
    for (const bad of [text.slice(0, -1), `${text}A`, "wb1.", waybillToString(await other.put(bytesTensor(10)))]) {
      const refused = await app.request(`/v1/tensors/${bad}`);
      expect([refused.status, await refused.json()]).toMatchObject([403, { code: "permission_denied" }]);
    }
    await other.close();
  });

  test("gives the range that is asked for", async () => {
    const { store, app } = routes();
    const waybill = await store.put(bytesTensor(100));
    const ranges: [string, number, number][] = [
      ["bytes=0-", 0, 100],
      ["bytes=0-0", 0, 1],
      ["bytes=10-19", 10, 20],
      ["bytes=90-1000", 90, 100],
      ["bytes=-10", 90, 100],
      ["bytes=-1000", 0, 100],
      ["bytes=99-", 99, 100],
      ["Bytes = 1-2", 1, 3],
    ];
    for (const [range, start, end] of ranges) {
      const answer = await app.request(urlOf(waybill), { headers: { ...bearer(waybill), range } });
      expect([range, answer.status]).toEqual([range, 206]);
      expect(answer.headers.get("content-range")).toBe(`bytes ${start}-${end - 1}/100`);
      expect(answer.headers.get("content-length")).toBe(String(end - start));
      expect(new Uint8Array(await answer.arrayBuffer())).toEqual(pattern(100).subarray(start, end));
    }
    for (
      const range of ["bytes=100-", "bytes=5-4", "bytes=-0", "bytes=-", "bytes=0-1,3-4", "bytes=a-b", "bytes=", "bytes=--1"]
    ) {
      const answer = await app.request(urlOf(waybill), { headers: { ...bearer(waybill), range } });
      expect([range, answer.status, answer.headers.get("content-range")]).toEqual([range, 416, "bytes */100"]);
      expect(await answer.json()).toMatchObject({ code: "out_of_range" });
    }
    const other = await app.request(urlOf(waybill), { headers: { ...bearer(waybill), range: "lines=1-2" } });
    expect(other.status).toBe(200);
  });
});

describe("the entity tag of a tensor", () => {
  test("saves sending what the reader has, and keeps a resumed read from mixing two tensors", async () => {
    const { store, app } = routes();
    const waybill = await store.put(bytesTensor(100));
    const ask = async (headers: Record<string, string>, method = "GET") => {
      const answer = await app.request(urlOf(waybill), { method, headers: { ...bearer(waybill), ...headers } });
      return [answer.status, (await answer.arrayBuffer()).byteLength, answer.headers.get("etag")];
    };
    const [, , etag] = await ask({});
    const tag = String(etag);
    expect(tag).toMatch(/^"[\w-]{22}"$/);
    for (const known of [tag, `W/${tag}`, `"x", ${tag}`, "*"]) {
      expect(await ask({ "if-none-match": known })).toEqual([304, 0, tag]);
    }
    expect(await ask({ "if-none-match": '"x"' })).toEqual([200, 100, tag]);
    expect(await ask({ "if-range": tag, range: "bytes=10-19" })).toEqual([206, 10, tag]);
    expect(await ask({ "if-range": '"x"', range: "bytes=10-19" })).toEqual([200, 100, tag]);
    expect(await ask({ "if-match": tag })).toEqual([200, 100, tag]);
    expect((await ask({ "if-match": '"x"' }))[0]).toBe(412);
    expect(await ask({ range: "bytes=10-19" }, "HEAD")).toEqual([200, 0, tag]);
  });

  test("is told to nobody without the capability", async () => {
    const { store, app } = routes();
    const waybill = await store.put(bytesTensor(100));
    const answer = await app.request(urlOf(waybill), { headers: { "if-none-match": "*" } });
    expect([answer.status, answer.headers.get("etag")]).toEqual([403, null]);
  });
});

describe("PUT /v1/tensors", () => {
  const put = (app: ReturnType<typeof routes>["app"], query: string, body: BodyInit | null, headers = {}) =>
    app.request(`/v1/tensors?${query}`, { method: "PUT", body, headers: { authorization: `Bearer ${token}`, ...headers } });

  test("answers the descriptor as JSON or as its string", async () => {
    const { store, app } = routes({ acceptUploads: { token } });
    const json = await put(app, "dtype=UINT8&shape=2,2&lease_ms=60000", new Uint8Array([1, 2, 3, 4]));
    expect(json.status).toBe(201);
    const waybill = waybillFromJson(await json.json());
    expect(waybill.toString()).toBe('UINT8 [2,2] (4 bytes) on "node-h"');
    expect(urlOf(waybill).endsWith(json.headers.get("location")!)).toBe(true);
    const text = await put(app, "shape=", new Uint8Array([0, 0, 128, 63]), { accept: "text/plain", "waybill-dtype": "FP32" });
    const scalar = waybillFromString(await text.text());
    expect((await store.get(scalar)).tensor.toNumbers()).toEqual([1]);
    const empty = await put(app, "dtype=FP64&shape=0,3", null);
    expect(waybillFromJson(await empty.json()).shape).toEqual([0, 3]);
  });

  test("refuses what does not fit, and keeps nothing of it", async () => {
    const { store, app } = routes({ acceptUploads: { token } });
    const four = new Uint8Array([1, 2, 3, 4]);
    const cases: [string, Uint8Array<ArrayBuffer>, Record<string, string>, string][] = [
      ["dtype=UINT8&shape=5", four, {}, "5 bytes"],
      ["dtype=UINT8&shape=3", four, {}, "3 bytes"],
      ["dtype=UINT8&shape=5", four, { "content-length": "4" }, "content-length must be 5"],
      ["dtype=UINT8&shape=4&byte_size=5", four, {}, "4 bytes"],
      ["dtype=uint8&shape=4", four, {}, DTYPES.join(" ")],
      ["dtype=UINT8", four, {}, "shape must be given"],
      ["dtype=UINT8&shape=4,x", four, {}, "dimension"],
      ["dtype=UINT8&shape=4&lease_ms=soon", four, {}, "lease_ms"],
      ["dtype=BYTES&shape=1", four, {}, "content-length or byte_size"],
      ["dtype=BYTES&shape=1&byte_size=4", four, {}, "needs"],
    ];
    for (const [query, body, headers, text] of cases) {
      const answer = await put(app, query, body, headers);
      const { code, message } = await answer.json() as { code: string; message: string };
      expect([query, answer.status, code]).toEqual([query, 400, "invalid_argument"]);
      expect(message).toContain(text);
    }
    const large = await put(app, "dtype=UINT8&shape=2000000000", four);
    expect([large.status, (await large.json() as { code: string }).code]).toEqual([507, "resource_exhausted"]);
    expect(store.describe()).toMatchObject({ usedBytes: 0, uploads: 0, leases: 0 });
  });

  test("needs the token, and a server that takes uploads", async () => {
    const { app } = routes({ acceptUploads: { token } });
    for (const authorization of ["", "Bearer", `Bearer ${token}x`, `Basic ${token}`]) {
      expect((await put(app, "dtype=UINT8&shape=0", null, { authorization })).status).toBe(401);
    }
    expect((await put(routes().app, "dtype=UINT8&shape=0", null)).status).toBe(403);
    expect(() => routes({ acceptUploads: { token: "short" } })).toThrow("at least 16 characters");
  });
});

describe("the other routes", () => {
  test("share, renew and release", async () => {
    const { store, app } = routes();
    const waybill = await store.put(bytesTensor(4));
    const post = (path: string, body?: string) =>
      app.request(urlOf(waybill) + path, { method: "POST", headers: bearer(waybill), body });
    const touched = await (await post("/touch", '{"leaseMs":600000}')).json() as { expiresAtMs: number };
    expect(touched.expiresAtMs).toBeGreaterThan(Date.now() + 500_000);
    const shared = waybillFromJson(await (await post("/share")).json());
    expect(await (await post("/touch", "nonsense")).json()).toMatchObject({ code: "invalid_argument" });
    expect(await (await post("/touch", '{"leaseMs":-1}')).json()).toMatchObject({ code: "invalid_argument" });
    for (let i = 0; i < 2; i++) {
      const gone = await app.request(urlOf(waybill), { method: "DELETE", headers: bearer(waybill) });
      expect([gone.status, await gone.text()]).toEqual([204, ""]);
    }
    expect((await app.request(urlOf(waybill), { headers: bearer(waybill) })).status).toBe(403);
    expect((await app.request(urlOf(shared), { headers: bearer(shared) })).status).toBe(200);
    expect(await (await app.request("/nowhere")).json()).toMatchObject({ code: "not_found" });
  });

  test("are open to pages of the allowed origins only", async () => {
    const headers = { origin: "https://a.example", "access-control-request-method": "GET" };
    const ask = (options: TensorAppOptions) => routes(options).app.request("/v1/tensors/x", { method: "OPTIONS", headers });
    const header = "access-control-allow-origin";
    expect((await ask({})).headers.get(header)).toBe(null);
    expect((await ask({ allowedOrigins: ["https://b.example"] })).headers.get(header)).toBe(null);
    expect((await ask({ allowedOrigins: ["https://a.example"] })).headers.get(header)).toBe("https://a.example");
  });
});
