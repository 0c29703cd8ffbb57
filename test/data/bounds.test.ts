import { afterEach, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { connectBus } from "../../src/bus/connect.ts";
import { connectMemory, MemoryBroker } from "../../src/bus/mod.ts";
import { Arena } from "../../src/data/mod.ts";
import { BusNodeClients } from "../../src/data/node-clients.ts";
import { Caller } from "../../src/rpc/caller.ts";
import { launchNatsServer } from "../../src/testing/mod.ts";
import { waybillFromString } from "../../src/waybill/mod.ts";
import { startProgram } from "../support/program.ts";
import { busNode, busPlane, bytesTensor, Cleanup, namespace, pattern, pause, same } from "./support.ts";

const MIB = 1_048_576;
/** What a large tensor may have on its way, all buffers between its owner and its reader together. */
const MAX_BYTES = 4_000_000;
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("a tensor of 64 MiB over the bus", () => {
  test("arrives with less than 4 MB on its way at any moment, though its reader is slow", async () => {
    let sent = 0;
    const deliver = (_: string, payload: Uint8Array) => ((sent += payload.length), true);
    const broker = new MemoryBroker({ maxPayloadBytes: 8 * MIB, deliver });
    const memory = new Arena();
    memory.add({ bytes: new Uint8Array(65 * MIB) });
    const store = busNode(cleanup, broker, { memory });
    const { reference, capability } = await store.put(bytesTensor(64 * MIB));
    const caller = cleanup.add(new Caller(cleanup.add(connectMemory(broker)), { namespace }));
    let taken = 0;
    let most = 0;
    const expected = pattern(64 * MIB);
    for await (const { data } of new BusNodeClients(caller).of(store.node).get({ tensor: { reference, capability } })) {
      // Now and then the owner has all the time that it needs to send whatever it may.
      if (taken % (8 * MIB) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      most = Math.max(most, sent - taken);
      expect(same(data, expected.subarray(taken, taken + data.length))).toBe(true);
      taken += data.length;
    }
    expect(taken).toBe(64 * MIB);
    expect(most).toBeLessThan(MAX_BYTES);
    // It was not sent one by one either.
    expect(most).toBeGreaterThan(MIB);
    expect(store.describe().servedBytes).toEqual({ bus: 64 * MIB });
  });

  test("arrives from another process through a real broker, which keeps as little of it", async () => {
    const broker = await launchNatsServer();
    cleanup.defer(() => broker.stop());
    const owner = startProgram("test/fixtures/tensor-owner.ts", [broker.tcpUrl, String(64 * MIB)]);
    cleanup.defer(() => owner.kill());
    const [, text = ""] = await owner.waitFor(/Keeps (\S+)\./);
    const bus = cleanup.add(await connectBus(broker.tcpUrl));
    const caller = cleanup.add(new Caller(bus, { namespace: "default" }));
    const { node, reference, capability } = waybillFromString(text);
    const receivedByBroker = async () => Number((await (await fetch(`${broker.monitorUrl}/varz`)).json()).in_bytes);
    const memoryOfBroker = async () => {
      const status = await readFile(`/proc/${broker.pid}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1_024;
    };
    const before = { received: await receivedByBroker(), memory: await memoryOfBroker() };
    let taken = 0;
    let most = 0;
    for await (const { data } of new BusNodeClients(caller).of(node).get({ tensor: { reference, capability } })) {
      if (taken % (8 * MIB) === 0) {
        // Nobody reads meanwhile: the owner sends whatever it may.
        await pause(50);
        most = Math.max(most, await receivedByBroker() - before.received - taken);
      }
      for (const at of [0, data.length - 1]) {
        if (data[at] !== ((taken + at) >> 16 & 0xff)) throw new Error(`A wrong byte at ${taken + at}`);
      }
      taken += data.length;
    }
    expect(taken).toBe(64 * MIB);
    expect(most).toBeLessThan(MAX_BYTES);
    expect(most).toBeGreaterThan(MIB);
    // Beside what it has on its way Go keeps some garbage; without a bound it would be all of the tensor.
    expect(await memoryOfBroker() - before.memory).toBeLessThan(32 * MIB);
  });

  test("is put with less than 4 MB on its way, whatever the broker takes", async () => {
    let onTheWay = 0;
    let most = 0;
    let received = 0;
    const deliver = (_: string, payload: Uint8Array) => {
      if (payload.length > 10_000) onTheWay += payload.length;
      most = Math.max(most, onTheWay - received);
      return true;
    };
    const broker = new MemoryBroker({ maxPayloadBytes: 8 * MIB, deliver });
    const memory = new Arena();
    memory.add({ bytes: new Uint8Array(65 * MIB) });
    const store = busNode(cleanup, broker, { memory });
    const { begin } = store.uploads;
    store.uploads.begin = async (...options) => {
      const upload = await begin.apply(store.uploads, options);
      const { write } = upload;
      upload.write = (offset, data) => {
        received += data.length;
        return write.call(upload, offset, data);
      };
      return upload;
    };
    const tensor = bytesTensor(64 * MIB);
    const remote = await busPlane(cleanup, broker).put({ node: store.node }, tensor);
    expect(received).toBe(64 * MIB);
    expect(most).toBeLessThan(MAX_BYTES);
    expect(same((await store.get(remote.waybill)).tensor.bytes, tensor.bytes)).toBe(true);
    await remote.release();
    expect(memory.usage().blocks).toBe(0);
  });
});
