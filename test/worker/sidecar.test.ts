import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { connect, errorDetail, isRemoteTensor, type RemoteTensor, Tensor } from "../../mod.ts";
import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { operator, startWorker } from "../../src/worker/mod.ts";
import type { Client } from "../../src/client/client.ts";
import type { Worker } from "../../src/worker/worker.ts";
import { bytesTensor, Cleanup, everyTensor, pattern, same } from "../data/support.ts";
import { until } from "../support/program.ts";
import { noSharedMemory, SidecarProcess } from "../support/sidecar.ts";
import { testUnless } from "../support/skip.ts";
import { failure, gate } from "../support/waiting.ts";

const MIB = 2 ** 20;

const allocate = operator({
  name: "allocate",
  async execute({ parameters }, context) {
    const size = Number(parameters.size);
    // Not returned: it goes with the request.
    await context.allocate("FP32", [16]);
    const y = await context.allocate("UINT8", [size]);
    y.data.set(pattern(size));
    return { y };
  },
});

/** Says by which way its input came, and gives it back. */
const pass = operator({
  name: "pass",
  fetchInputs: false,
  async execute({ inputs }, context) {
    const x = await inputs.x!.fetch();
    context.responseParameters.way = isRemoteTensor(inputs.x) ? inputs.x.way ?? "" : "inline";
    return { y: x };
  },
});

/** Calls both, so that what is fetched is what a call of its own answered. */
const both = operator({
  name: "both",
  async execute(_, context) {
    const { y } = await context.call("allocate", { inline: false }).infer({}, { parameters: { size: MIB } });
    const tensor = await y!.fetch();
    return { sum: Tensor.from("FP64", tensor.bytes.reduce((sum, value) => sum + value, 0)) };
  },
});

describe("a worker with a sidecar", () => {
  const cleanup = new Cleanup();
  let broker: Broker;
  let sidecar: SidecarProcess;
  let worker: Worker;
  let other: Worker;
  let client: Client;

  const start = (to: SidecarProcess, operators: Parameters<typeof startWorker>[0]["operators"], name: string) =>
    startWorker({ operators, servers: broker.tcpUrl, sidecar: to.address, name, metricsPort: 0 });

  beforeAll(async () => {
    if (noSharedMemory !== undefined) return;
    broker = await launchNatsServer();
    sidecar = await new SidecarProcess({ servers: broker.tcpUrl, budgetBytes: 256 * MIB, segmentBytes: 16 * MIB }).start();
    [worker, other] = await Promise.all([start(sidecar, [allocate, both], "maker"), start(sidecar, [pass], "reader")]);
    client = await connect(broker.tcpUrl);
  });
  afterEach(() => cleanup.run());
  afterAll(async () => {
    if (noSharedMemory !== undefined) return;
    await client.close();
    await Promise.all([worker.close(), other.close()]);
    await sidecar[Symbol.asyncDispose]();
    await broker.stop();
  });

  async function metric(of: Worker, name: string, label: string = ""): Promise<number> {
    const page = await (await fetch(of.metricsUrl ?? "")).text();
    const line = page.split("\n").find((line) => line.startsWith(`${name}{`) && line.includes(label));
    return Number(line?.split(" ").at(-1));
  }

  async function made(size: number): Promise<RemoteTensor> {
    const { y } = await client.operator("allocate", { inline: false }).infer({}, { parameters: { size } });
    if (!isRemoteTensor(y)) throw new Error("It must be remote");
    return y;
  }

  testUnless(noSharedMemory, "publishes what it allocated without a copy, as the node's", async () => {
    const copied = await metric(worker, "waybill_put_bytes_total", 'how="copied"');
    const y = await made(MIB);
    expect(y.node).toBe("node-a");
    // A client is no worker of the node: it reads over HTTP.
    expect(same((await y.fetch()).bytes, pattern(MIB))).toBe(true);
    expect(y.way).toBe("http");
    await y.release();
    expect(await metric(worker, "waybill_put_bytes_total", 'how="copied"')).toBe(copied);
    await until("all is given back", async () => await metric(worker, "waybill_segment_used_bytes") === 0);
    expect((await sidecar.describe()).leases).toBe(0);
  });

  testUnless(
    noSharedMemory,
    "reads another worker's tensors where they are, and gives them back with the request",
    async () => {
      const handle = client.operator("pass", { inline: false });
      for (const tensor of [...everyTensor(), bytesTensor(2 * MIB)]) {
        const first = await handle.infer({ x: tensor });
        const { y } = await handle.infer({ x: first.y! });
        const read = await y!.fetch();
        expect([read.dtype, read.shape, same(read.bytes, tensor.bytes)]).toEqual([tensor.dtype, tensor.shape, true]);
        await Promise.all([first.y!.release(), y!.release()]);
      }
      expect(await metric(other, "waybill_fetched_bytes_total", 'way="shm"')).toBeGreaterThan(2 * MIB);
      await until("nothing is held", async () => {
        const { pins, leases, usedBytes } = await sidecar.describe();
        return pins === 0 && leases === 0 && usedBytes === 0n;
      });
    },
  );

  testUnless(noSharedMemory, "answers inline out of memory that it is lent", async () => {
    const y = await made(1_000);
    const { y: inline } = await client.operator("pass", { inline: true }).infer({ x: y });
    expect(isRemoteTensor(inline)).toBe(false);
    expect(same((await inline!.fetch()).bytes, pattern(1_000))).toBe(true);
    const { y: allocated } = await client.operator("allocate", { inline: true }).infer({}, { parameters: { size: 1_000 } });
    expect(same((await allocated!.fetch()).bytes, pattern(1_000))).toBe(true);
    await y.release();
    await until("nothing is held", async () => (await sidecar.describe()).usedBytes === 0n);
  });

  testUnless(noSharedMemory, "releases what its own calls answered", async () => {
    const { sum } = await client.operator("both").infer({});
    const expected = pattern(MIB).reduce((sum, value) => sum + value, 0);
    expect((await sum!.fetch()).toNumbers()).toEqual([expected]);
    await until("nothing is held", async () => {
      const { pins, leases } = await sidecar.describe();
      return pins === 0 && leases === 0;
    });
  });

  testUnless(noSharedMemory, "is listed as its node's, and takes clients' uploads there", async () => {
    const instances = await client.discovery.instances();
    const own = instances.filter(({ instance }) => [worker.instance, other.instance].includes(instance));
    expect(own.map(({ node }) => node)).toEqual(["node-a", "node-a"]);
    expect(own[0]?.ways.map(({ kind }) => kind.case)).toEqual(["http", "bus"]);
    const remote = await client.put(bytesTensor(100));
    expect(remote.node).toBe("node-a");
    await remote.release();
  });

  testUnless(noSharedMemory, "has a tensor for one request freed by its node, once that is acknowledged", async () => {
    const x = await client.put(bytesTensor(MIB), { once: true });
    expect([x.node, x.waybill.once]).toEqual(["node-a", true]);
    const { y } = await client.operator("pass", { inline: false }).infer({ x });
    expect(same((await y!.fetch()).bytes, pattern(MIB))).toBe(true);
    await y!.release();
    await until("nothing is held", async () => (await sidecar.describe()).leases === 0);
    expect((await sidecar.describe()).leakedLeases).toBe(0n);
  });

  testUnless(noSharedMemory, "goes on with its own store while the sidecar restarts", async () => {
    const restarted = cleanup.add(
      await new SidecarProcess({ node: "node-r", servers: broker.tcpUrl, budgetBytes: 64 * MIB, segmentBytes: 8 * MIB })
        .start(),
    );
    const renamed = operator({ name: "restarted", execute: allocate.execute as never });
    const [reads, goesOn] = [gate(), gate()];
    const slow = operator({
      name: "slow",
      async execute({ inputs }) {
        reads.open();
        await goesOn.promise;
        return { y: inputs.x!.bytes.slice(0, 1) };
      },
    });
    const lone = cleanup.add(await start(restarted, [renamed, slow], "lone"));
    const call = async () => {
      const { y } = await client.operator("restarted", { inline: false }).infer({}, { parameters: { size: MIB } });
      return y as RemoteTensor;
    };
    const old = await call();
    expect(old.node).toBe("node-r");
    const running = failure(client.operator("slow").infer({ x: old }));
    await reads.promise;
    await restarted.stop("SIGKILL");
    await until("it has noticed", async () => await metric(lone, "waybill_sidecar_attached") === 0);
    goesOn.open();
    const lost = await running;
    expect([lost.code, errorDetail(lost)?.reason]).toEqual([Code.Unavailable, "SIDECAR_LOST"]);
    const meanwhile = await call();
    expect(meanwhile.node).toBe(lone.instance);
    expect(same((await meanwhile.fetch()).bytes, pattern(MIB))).toBe(true);
    await restarted.start();
    await until("it is attached again", async () => await metric(lone, "waybill_sidecar_attached") === 1);
    expect((await call()).node).toBe("node-r");
    const error = await old.fetch({ timeoutMs: 10_000 }).then(() => undefined, (error) => error);
    expect(error).toMatchObject({ rawMessage: expect.stringContaining("Cannot") });
    await until("discovery knows", async () => {
      const instances = await client.discovery.instances();
      return instances.find(({ instance }) => instance === lone.instance)?.node === "node-r";
    });
  });

  testUnless(noSharedMemory, "sends its outputs where nothing can be mapped", async () => {
    const heap = cleanup.add(
      await new SidecarProcess({ node: "node-h", servers: broker.tcpUrl, sharedMemory: false, budgetBytes: 64 * MIB }).start(),
    );
    const renamed = operator({ name: "sent", execute: allocate.execute as never });
    const lone = cleanup.add(await start(heap, [renamed], "sender"));
    const { y } = await client.operator("sent", { inline: false }).infer({}, { parameters: { size: 3 * MIB } });
    expect((y as RemoteTensor).node).toBe("node-h");
    expect(same((await y!.fetch()).bytes, pattern(3 * MIB))).toBe(true);
    expect(await metric(lone, "waybill_put_bytes_total", 'how="sent"')).toBe(3 * MIB);
    await y!.release();
  });
});

test("a worker refuses a sidecar's address that is none", async () => {
  const broker = await launchNatsServer();
  try {
    const starting = startWorker({ operators: [pass], servers: broker.tcpUrl, sidecar: "http://127.0.0.1:1" });
    const error = await starting.then(() => undefined, (error) => error);
    expect(error?.rawMessage).toContain("Cannot attach to the sidecar: the URL must be unix: and an absolute path, got");
  } finally {
    await broker.stop();
  }
});
