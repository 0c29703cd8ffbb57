// On one runtime: what fails here fails in the addon's thread, and each case starts processes.
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { Code } from "@connectrpc/connect";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import process from "node:process";
import { startProgram } from "../../support/program.ts";
import { noUcx, unlessNoUcx } from "./support/skip.ts";
import { same, TRANSPORTS, UcxNode } from "./support/node.ts";
import { startOwner } from "./support/peer.ts";

/** Waits until no thread of a process runs any more: the signal alone leaves it the time of an answer. */
async function stopped(pid: number): Promise<void> {
  for (let running = true; running;) {
    const tasks = await readdir(`/proc/${pid}/task`);
    const states = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/stat`, "utf8")));
    running = states.some((state) => !/\) [Tt] /.test(state));
  }
}

const LARGE = 64 << 20;
const ROOM = 4 * LARGE;

for (const [name, transports] of Object.entries(TRANSPORTS)) {
  // Far below the 20 s and more that UCX's own settings take; what is required stands in the benches.
  const boundMs = 10_000;

  describe(`UCX over ${name}, when a peer dies`, () => {
    let consumer: UcxNode;
    beforeAll(async () => {
      if (noUcx === undefined) consumer = await UcxNode.open(ROOM, { transports });
    });
    afterAll(() => consumer?.wire.close());

    unlessNoUcx("every fetch from an owner that is killed in the middle fails at once", async () => {
      const { program, peer } = await startOwner(transports, LARGE);
      expect(await consumer.fetch(peer.waybill, peer.address)).toBeUndefined();
      const requests = Array.from({ length: 64 }, (_, index) => ({
        waybill: peer.waybill,
        address: peer.address,
        destination: { memory: consumer.memory, offset: (index % 4) * LARGE },
      }));
      const fetch = consumer.wire.fetch(requests);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const killed = program.kill();
      const begin = performance.now();
      const outcomes = await fetch.outcomes;
      const tookMs = performance.now() - begin;
      await killed;
      await fetch.idle;
      const failed = outcomes.filter((error) => error !== undefined);
      expect(failed.length).toBeGreaterThan(0);
      expect(failed.every((error) => error.code === Code.Unavailable)).toBe(true);
      expect(tookMs).toBeLessThan(boundMs);
    }, 60_000);

    unlessNoUcx("a fetch from an owner that died idle fails, and one from the next at another address succeeds", async () => {
      const { program, peer } = await startOwner(transports, 8);
      expect(await consumer.fetch(peer.waybill, peer.address)).toBeUndefined();
      await program.kill();
      const begin = performance.now();
      expect((await consumer.fetch(peer.waybill, peer.address))?.code).toBe(Code.Unavailable);
      expect(performance.now() - begin).toBeLessThan(boundMs);
      const next = await startOwner(transports, 8);
      expect(await consumer.fetch(next.peer.waybill, next.peer.address)).toBeUndefined();
      await next.program.kill();
    }, 60_000);

    unlessNoUcx("an owner serves others, and frees what a consumer that was killed was reading", async () => {
      const { program, peer, json } = await startOwner(transports, LARGE);
      const other = startProgram("test/sidecar/ucx/support/consumer.ts", [transports.join(","), json]);
      await other.waitFor(/FETCHING/);
      await other.kill();
      expect(await consumer.fetch(peer.waybill, peer.address)).toBeUndefined();
      process.kill(program.pid, "SIGUSR2");
      const [, freedMs] = await program.waitFor(/FREE (\d+)/, boundMs + 10_000);
      expect(Number(freedMs)).toBeLessThan(boundMs);
      expect((await consumer.fetch(peer.waybill, peer.address))?.code).toBe(Code.PermissionDenied);
      await program.kill();
    }, 60_000);

    unlessNoUcx("a canceled fetch ends at once, and its destination is left alone once it is idle", async () => {
      const { program, peer } = await startOwner(transports, LARGE);
      const filled = new Uint8Array(LARGE).fill(0xaa);
      for (const afterMs of [0, 1, 3]) {
        const controller = new AbortController();
        const destination = { memory: consumer.memory, offset: 0 };
        const fetch = consumer.wire.fetch([{ waybill: peer.waybill, address: peer.address, destination }], {
          signal: controller.signal,
        });
        await new Promise((resolve) => setTimeout(resolve, afterMs));
        controller.abort();
        const [error] = await fetch.outcomes;
        if (error !== undefined) expect(error.code).toBe(Code.Canceled);
        await fetch.idle;
        consumer.bytes.fill(0xaa, 0, LARGE);
        // Goes the same way, behind whatever is left.
        expect(await consumer.fetch(peer.waybill, peer.address, LARGE)).toBeUndefined();
        expect(same(consumer.bytes.subarray(0, LARGE), filled)).toBe(true);
      }
      await program.kill();
    }, 60_000);

    unlessNoUcx("a fetch from an owner that is stopped ends with its deadline, and the owner is used again", async () => {
      const { program, peer } = await startOwner(transports, 100_000);
      expect(await consumer.fetch(peer.waybill, peer.address)).toBeUndefined();
      process.kill(program.pid, "SIGSTOP");
      await stopped(program.pid);
      const begin = performance.now();
      const error = await consumer.fetch(peer.waybill, peer.address, 0, { timeoutMs: 200 });
      expect(error?.code).toBe(Code.DeadlineExceeded);
      expect(performance.now() - begin).toBeLessThan(boundMs);
      process.kill(program.pid, "SIGCONT");
      consumer.bytes.fill(0, 0, 100_000);
      expect(await consumer.fetch(peer.waybill, peer.address)).toBeUndefined();
      await program.kill();
    }, 60_000);
  });
}

describe("UCX and peers that are none", () => {
  unlessNoUcx("nobody listening fails at once, and what swallows connections fails in time", async () => {
    const consumer = await UcxNode.open(4096, { transports: TRANSPORTS.tcp, connectTimeoutMs: 500 });
    const { waybill } = await consumer.publish(8);
    const begin = performance.now();
    expect((await consumer.fetch(waybill, "127.0.0.1:1"))?.code).toBe(Code.Unavailable);
    const silent = createServer(() => {}).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as { port: number };
    expect((await consumer.fetch(waybill, `127.0.0.1:${port}`))?.code).toBe(Code.Unavailable);
    expect((await consumer.fetch(waybill, "no-such-host.invalid:7000"))?.code).toBe(Code.Unavailable);
    expect(performance.now() - begin).toBeLessThan(10_000);
    await consumer.wire.close();
    silent.close();
  }, 60_000);

  unlessNoUcx("closing a wire fails what it fetches, and nothing writes after that", async () => {
    const { program, peer } = await startOwner(TRANSPORTS.tcp!, LARGE);
    const consumer = await UcxNode.open(LARGE, { transports: TRANSPORTS.tcp });
    expect(await consumer.fetch(peer.waybill, peer.address)).toBeUndefined();
    const fetch = consumer.fetch(peer.waybill, peer.address);
    await new Promise((resolve) => setTimeout(resolve, 2));
    await consumer.wire.close();
    const copy = consumer.bytes.slice();
    expect((await fetch)?.code).toBe(Code.Unavailable);
    expect((await consumer.fetch(peer.waybill, peer.address))?.code).toBe(Code.Unavailable);
    expect(same(copy, consumer.bytes)).toBe(true);
    expect(() => consumer.wire.publish({ ...peer.waybill, memory: consumer.memory } as never)).toThrow("closed");
    await program.kill();
  }, 60_000);
});
