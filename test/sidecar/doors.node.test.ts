// A sidecar runs on Node alone.
import { Buffer } from "node:buffer";
import { connect as connectHttp2 } from "node:http2";
import { lstat, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code, createClient } from "@connectrpc/connect";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { LeaseService } from "../../gen/waybill/v1/lease_pb.ts";
import { NodeService } from "../../gen/waybill/v1/node_pb.ts";
import { SessionService } from "../../gen/waybill/v1/session_pb.ts";
import { secretFileOf } from "../../src/data/node-socket.ts";
import type { Sidecar } from "../../src/sidecar/mod.ts";
import { bytesTensor, Cleanup, failure, pattern } from "../data/support.ts";
import { bearer, local, protocols, rawConnection, startNode, token, transportTo } from "./support/node.ts";

const world = new Cleanup();
const cleanup = new Cleanup();
let node: Sidecar & { socketPath: string };
beforeAll(async () => {
  node = await startNode(world);
});
afterEach(() => cleanup.run());
afterAll(() => world.run());

const bytes = (base64url: Uint8Array) => btoa(String.fromCharCode(...base64url)).replaceAll("+", "-").replaceAll("/", "_");

describe("a node's one port and its socket", () => {
  for (const protocol of protocols) {
    test(`serve health, puts and reads by ${protocol}`, async () => {
      const transport = transportTo(node, protocol);
      expect((await createClient(Health, transport).check({})).status).toBe(1);
      expect(await failure(createClient(Health, transport).check({ service: "x" }))).toMatchObject({ code: Code.NotFound });
      const service = createClient(NodeService, transport);
      const data = pattern(300_000);
      const put = service.putStream(
        (async function* () {
          const value = { dtype: "UINT8", shape: [300_000n], byteSize: 300_000n };
          yield await Promise.resolve({ part: { case: "start" as const, value } });
          yield { part: { case: "data" as const, value: data.subarray(0, 100_000) } };
          yield { part: { case: "data" as const, value: data.subarray(100_000) } };
        })(),
        bearer(token),
      );
      const { descriptor } = await put;
      const { reference, capability } = descriptor!;
      const read: Uint8Array[] = [];
      for await (const piece of service.get({ tensor: { reference, capability } })) read.push(piece.data);
      expect(Buffer.concat(read).equals(data)).toBe(true);
      await service.release({ tensors: [{ reference, capability }] });
      expect(await failure(service.touch({ tensors: [{ reference, capability }] }))).toMatchObject({
        code: Code.PermissionDenied,
      });
    });
  }

  test("serve plain HTTP beside that, in both versions", async () => {
    const waybill = await node.store.put(bytesTensor(1000));
    const path = `/v1/tensors/${bytes(waybill.reference).replaceAll("=", "")}`;
    const authorization = `Bearer ${bytes(waybill.capability).replaceAll("=", "")}`;
    const answer = await fetch(node.url + path, { headers: { authorization, range: "bytes=10-19" } });
    expect([answer.status, new Uint8Array(await answer.arrayBuffer())]).toEqual([206, pattern(1000).subarray(10, 20)]);

    const session = connectHttp2(node.url);
    const request = session.request({ ":path": path, authorization });
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    session.close();
    expect(Buffer.concat(chunks).equals(pattern(1000))).toBe(true);

    const put = await fetch(`${node.url}/v1/tensors?dtype=UINT8&shape=3`, {
      method: "PUT",
      body: new Uint8Array(3),
      headers: bearer(token).headers,
    });
    expect(put.status).toBe(201);
    expect((await fetch(`${node.url}/nothing`)).status).toBe(404);
  });

  test("outlive what is no request at all", async () => {
    const waybill = await node.store.put(bytesTensor(8));
    const nonsense = [
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "GET / HTTP/1.0\r\n\r\n",
      "GET /waybill.v1.NodeService/Describe HTTP/1.0\r\n\r\n",
      "POST /waybill.v1.NodeService/Describe HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
      "POST /waybill.v1.NodeService/Describe HTTP/1.1\r\nhost: [\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
      `GET /${"x".repeat(40_000)} HTTP/1.1\r\n\r\n`,
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0".repeat(100),
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\xff".repeat(100),
      "\0".repeat(5_000),
    ];
    for (const text of nonsense) {
      const { socket, closed } = rawConnection(node.url);
      socket.write(Buffer.from(text, "latin1"));
      socket.end();
      await closed;
    }
    // A preface that comes byte by byte is one all the same.
    const { socket, closed } = rawConnection(node.url);
    for (const byte of "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
    expect((await closed).length).toBeGreaterThan(8);
    expect((await node.store.get(waybill)).byteLength).toBe(8);
    expect((await createClient(Health, transportTo(node, "gRPC")).check({})).status).toBe(1);
  });
});

describe("who may do what on a node", () => {
  test("is told by the secret of the start, tokens and capabilities", async () => {
    const service = createClient(NodeService, transportTo(node, "connect over HTTP/1.1"));
    const leases = createClient(LeaseService, transportTo(node, "connect over HTTP/1.1"));
    const sessions = createClient(SessionService, transportTo(node, "connect over HTTP/1.1"));
    const start = { part: { case: "start" as const, value: { dtype: "UINT8", shape: [0n], byteSize: 0n } } };
    const stream = async function* () {
      yield await Promise.resolve(start);
    };
    const first = async (messages: AsyncIterable<unknown>) => void (await messages[Symbol.asyncIterator]().next());
    type Options = { headers?: { authorization: string } };
    const asks: Record<string, (options: Options) => Promise<unknown>> = {
      put: (options) => service.put({ dtype: "UINT8", shape: [0n] }, options),
      putStream: (options) => service.putStream(stream(), options),
      describe: (options) => service.describe({}, options),
      list: (options) => first(leases.list({}, options)),
      watch: (options) => first(leases.watch({}, options)),
      attach: (options) => first(sessions.attach({ name: "x" }, options)),
    };
    const secret = await local(node);
    const refused = async (options: Options) => {
      const codes = await Promise.all(
        Object.entries(asks).map(async ([name, ask]) => {
          const error = await ask(options).then(() => undefined, (error) => error);
          return error === undefined ? [] : [`${name} ${Code[error.code]}`];
        }),
      );
      return codes.flat();
    };
    const all = Object.keys(asks).map((name) => `${name} Unauthenticated`);
    expect(await refused({})).toEqual(all);
    expect(await refused(bearer("another-token-of-some-length"))).toEqual(all);
    expect(await refused(bearer(`${token}x`))).toEqual(all);
    expect(await refused(bearer(token))).toEqual(["attach Unauthenticated"]);
    expect(await refused(secret)).toEqual([]);
    expect(await failure(sessions.batch({ session: new Uint8Array(16), operations: [] }, secret))).toMatchObject({
      code: Code.FailedPrecondition,
    });
    expect((await fetch(`${node.url}/v1/tensors?dtype=UINT8&shape=0`, { method: "PUT" })).status).toBe(401);
  });

  test("hangs on a file that only this user can read", async () => {
    const mode = async (path: string) => ((await lstat(path)).mode & 0o777).toString(8);
    const secret = secretFileOf(node.socketPath);
    expect([await mode(node.socketPath), await mode(secret), await mode(dirname(secret))]).toEqual(["600", "600", "700"]);
    expect(await readFile(secret, "utf8")).toMatch(/^[\w-]{43}$/);
  });
});
