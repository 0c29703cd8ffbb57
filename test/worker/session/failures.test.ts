import { afterEach, describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { Code } from "@connectrpc/connect";
import { Tensor } from "../../../src/tensor/mod.ts";
import { waybillToString } from "../../../src/waybill/mod.ts";
import { bytesTensor, Cleanup, pattern, same } from "../../data/support.ts";
import { Attached } from "../../support/attached.ts";
import { type Program, startProgram, until } from "../../support/program.ts";
import { noSharedMemory, SidecarProcess } from "../../support/sidecar.ts";
import { testUnless } from "../../support/skip.ts";
import { failure } from "../../support/waiting.ts";

const MIB = 2 ** 20;

describe("when a sidecar or its worker fails", () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  async function started(options: ConstructorParameters<typeof SidecarProcess>[0] = {}): Promise<SidecarProcess> {
    return cleanup.add(await new SidecarProcess({ budgetBytes: 64 * MIB, segmentBytes: 8 * MIB, ...options }).start());
  }

  async function attached(to: SidecarProcess): Promise<Attached> {
    return cleanup.add(await Attached.to(to.socketPath));
  }

  function child(to: SidecarProcess, ...args: string[]): Program {
    const program = startProgram("test/fixtures/attached-worker.ts", [to.socketPath, ...args]);
    cleanup.defer(() => program.kill());
    return program;
  }

  testUnless(noSharedMemory, "a killed worker's tensors live on until their leases end, and its pins go", async () => {
    const sidecar = await started();
    const [{ plane, home, session }, worker] = [await attached(sidecar), child(sidecar, "put", String(MIB))];
    const [, text = ""] = await worker.waitFor(/waybill (\S+) \./);
    const mine = await home.put(bytesTensor(MIB));
    const holder = child(sidecar, "hold", waybillToString(mine));
    await holder.waitFor(/holds true/);
    expect((await sidecar.describe()).pins).toBe(1);
    await Promise.all([worker.kill(), holder.kill()]);
    // By the end of their connections, else when the next sign of life cannot be sent.
    await until("their sessions have ended", async () => (await sidecar.describe()).sessions === 1, 30_000);
    expect(await sidecar.describe()).toMatchObject({ pins: 0, leases: 2 });

    const mapped = session.mappedBytes;
    const remote = plane.open(text);
    expect(same((await remote.fetch()).bytes, pattern(MIB))).toBe(true);
    expect([remote.way, session.mappedBytes]).toEqual(["shm", mapped + 8 * MIB]);
    await remote.release();
    await plane.release(mine);
    await until("the dead worker's segment is gone", async () => {
      const { leases, arenas } = await sidecar.describe();
      return leases === 0 && arenas[0]?.segments === 1;
    });
    await until("nobody maps it", () => session.mappedBytes === mapped);
  });

  testUnless(noSharedMemory, "a restarted sidecar is attached to again, and its old waybills fail cleanly", async () => {
    const sidecar = await started();
    const { plane, home, link, store } = await attached(sidecar);
    const old = await home.put(bytesTensor(MIB));
    const held = plane.open(old);
    const { bytes } = await held.fetch();
    const allocated = await home.allocate(MIB, {});

    await sidecar.stop("SIGKILL");
    await until("the worker has noticed", () => link.session === undefined);
    // Meanwhile the worker keeps its own.
    const kept = await home.put(bytesTensor(100));
    expect(kept.node).toBe(store.node);
    expect(same((await plane.open(kept).fetch()).bytes, pattern(100))).toBe(true);
    expect((await failure(plane.open(old).fetch())).code).toBe(Code.Unavailable);
    // What is looked at still can be, and what was about to be filled too.
    expect(same(bytes, pattern(MIB))).toBe(true);
    allocated.fill(3);

    await sidecar.start();
    await until("the worker has attached again", () => link.session !== undefined);
    expect((await failure(plane.open(old).fetch())).code).toBe(Code.PermissionDenied);
    const anew = await home.put(new Tensor("UINT8", [MIB], allocated));
    expect(anew.node).toBe("node-a");
    const read = await plane.open(anew).fetch();
    expect([read.bytes[0], read.bytes[MIB - 1]]).toEqual([3, 3]);
    home.discard(allocated);
    held.letGo();
  });

  testUnless(noSharedMemory, "a killed sidecar's operations fail, and its segments go with the next start", async () => {
    const sidecar = await started();
    const { home, session } = await attached(sidecar);
    const waybill = await home.put(bytesTensor(100));
    const segment = waybill.ways.find((way) => way.kind === "shm")?.segment ?? "";
    const file = `/dev/shm/${segment}`;
    const backed = existsSync(file);
    const asked = Array.from(
      { length: 50 },
      () => failure(Promise.all(Array.from({ length: 100 }, () => session.share(waybill)))),
    );
    await sidecar.stop("SIGKILL");
    for (const error of await Promise.all(asked)) expect(error.code).toBe(Code.Unavailable);
    expect(existsSync(file)).toBe(backed);
    await sidecar.start();
    expect(existsSync(file)).toBe(false);
  });

  testUnless(noSharedMemory, "a consumer that stalls keeps what it reads, and nobody else waits for it", async () => {
    const sidecar = await started();
    const { home, plane } = await attached(sidecar);
    const waybill = await home.put(bytesTensor(MIB));
    const stalled = child(sidecar, "stall", waybillToString(waybill));
    await stalled.waitFor(/holds true/);
    await plane.release(waybill);
    // Its lease is over, its pin is not.
    expect(await sidecar.describe()).toMatchObject({ leases: 0, pins: 1 });
    for (let i = 0; i < 5; i++) {
      const remote = plane.open(await home.put(bytesTensor(MIB)));
      expect(same((await remote.fetch()).bytes, pattern(MIB))).toBe(true);
      await remote.release();
    }
    await until("only its memory is held", async () => (await sidecar.describe()).usedBytes === BigInt(MIB));
    await stalled.kill();
    await until("its pin has gone", async () => (await sidecar.describe()).usedBytes === 0n);
  });

  testUnless(noSharedMemory, "a worker that starts before its sidecar attaches when it is there", async () => {
    const sidecar = cleanup.add(new SidecarProcess({ budgetBytes: 64 * MIB, segmentBytes: 8 * MIB }));
    const { link, home, store } = await attached(sidecar);
    expect(link.session).toBe(undefined);
    expect((await home.put(bytesTensor(1))).node).toBe(store.node);
    await sidecar.start();
    await until("it has attached", () => link.session !== undefined);
    expect((await home.put(bytesTensor(1))).node).toBe("node-a");
  });
});
