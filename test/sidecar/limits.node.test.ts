// A sidecar runs on Node alone.
import { Buffer } from "node:buffer";
import { connect as connectHttp2 } from "node:http2";
import { afterEach, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { bytesTensor, Cleanup, failure } from "../data/support.ts";
import { until } from "../support/program.ts";
import { attach, bearer, leasesOf, local, rawConnection, serviceOf, startNode, token } from "./support/node.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const head = "POST /waybill.v1.NodeService/Describe HTTP/1.1\r\nhost: x\r\n";

describe("a node's bounds", () => {
  test("end connections that say nothing, and requests that never become whole", async () => {
    const node = await startNode(cleanup, { limits: { requestTimeoutMs: 200 } });
    const starts = [
      "",
      "PRI",
      "GE",
      head,
      `${head}content-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
      `PUT /v1/tensors?dtype=UINT8&shape=100 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n`,
    ];
    const connections = starts.map((text) => {
      const { socket, closed } = rawConnection(node.url);
      socket.write(text);
      return closed;
    });
    await Promise.all(connections);
    expect((await serviceOf(node).describe({}, bearer(token))).node).toBe("node-a");
  });

  test("give up an upload whose bytes stop coming", async () => {
    const node = await startNode(cleanup, { limits: { transferTimeoutMs: 300 } });
    const { socket, closed } = rawConnection(node.url);
    socket.write(
      `PUT /v1/tensors?dtype=UINT8&shape=100 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-length: 100\r\n\r\nabc`,
    );
    await until("it has begun", () => node.describe().uploads === 1);
    await closed;
    await until("nothing of it is left", () => node.describe().uploads === 0 && node.describe().usedBytes === 0);
  });

  test("end a read whose reader stands still, and leave others alone", async () => {
    const node = await startNode(cleanup, { limits: { idleTimeoutMs: 200 } });
    const waybill = await node.store.put(bytesTensor(2 ** 24));
    const text = (data: Uint8Array) => Buffer.from(data).toString("base64url");
    const { socket, closed } = rawConnection(node.url);
    socket.pause();
    socket.write(
      `GET /v1/tensors/${text(waybill.reference)} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${
        text(waybill.capability)
      }\r\n\r\n`,
    );
    // It reads nothing for long enough to be given up, and then what is there.
    await until("it was given up", () => node.store.describe().servedBytes.http !== undefined);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    socket.resume();
    expect((await closed).length).toBeLessThan(2 ** 24);
    const whole = await fetch(`${node.url}/v1/tensors/${text(waybill.reference)}`, bearer(text(waybill.capability)));
    expect((await whole.arrayBuffer()).byteLength).toBe(2 ** 24);
  });

  test("end a read over HTTP/2 whose reader stands still, and not its connection", async () => {
    const node = await startNode(cleanup, { limits: { idleTimeoutMs: 200 } });
    const waybill = await node.store.put(bytesTensor(2 ** 24));
    const text = (data: Uint8Array) => Buffer.from(data).toString("base64url");
    const session = connectHttp2(node.url);
    cleanup.defer(() => session.destroy());
    const ask = () =>
      session.request({
        ":path": `/v1/tensors/${text(waybill.reference)}`,
        authorization: `Bearer ${text(waybill.capability)}`,
      });
    const stalled = ask();
    stalled.on("error", () => {});
    stalled.pause();
    await new Promise<void>((resolve) => stalled.once("close", () => resolve()));
    let bytes = 0;
    for await (const chunk of ask()) bytes += (chunk as Uint8Array).length;
    expect(bytes).toBe(2 ** 24);
  });

  test("refuse more connections, requests, workers and watchers than there may be", async () => {
    const limits = { maxSessions: 1, maxWatches: 1, maxPins: 2, maxOperations: 3, maxMessageBytes: 10_000 };
    const node = await startNode(cleanup, { limits });
    const { batch, leave } = await attach(cleanup, node);
    expect(await failure(attach(cleanup, node))).toMatchObject({ code: Code.ResourceExhausted });
    const tensor = await node.store.put(bytesTensor(8));
    const pins = Array.from({ length: 3 }, () => ({
      kind: { case: "pin" as const, value: { tensor: { reference: tensor.reference, capability: tensor.capability } } },
    }));
    const results = await batch(...pins);
    expect(results.map(({ case: kind }) => kind)).toEqual(["pinned", "pinned", "error"]);
    expect(node.describe().pins).toBe(2);
    expect(await failure(batch(...pins, ...pins))).toMatchObject({ code: Code.InvalidArgument });
    await leave();
    await until("its pins are gone", () => node.describe().pins === 0);
    await (await attach(cleanup, node)).leave();

    const service = serviceOf(node);
    const leases = leasesOf(node);
    const options = await local(node);
    const watching = leases.watch({}, options)[Symbol.asyncIterator]();
    await watching.next();
    expect(await failure(leases.watch({}, options)[Symbol.asyncIterator]().next())).toMatchObject({
      code: Code.ResourceExhausted,
    });
    expect(await failure(service.put({ dtype: "UINT8", shape: [1n], data: new Uint8Array(20_000) }, options))).toMatchObject({
      code: Code.ResourceExhausted,
    });
  });

  test("hold for connections and requests too", async () => {
    const node = await startNode(cleanup, { limits: { maxConnections: 2 } });
    const open = [rawConnection(node.url), rawConnection(node.url)];
    for (const { socket } of open) await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
    const third = rawConnection(node.url);
    expect(await third.closed).toBe("");
    for (const { socket } of open) socket.destroy();

    const busy = await startNode(cleanup, { limits: { maxRequests: 1 } });
    await attach(cleanup, busy);
    expect((await fetch(`${busy.url}/v1/tensors/x`)).status).toBe(503);
  });
});
