// What the README shows does not depend on the runtime, and is written once: Node runs it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { codeBlocks, type DocPrograms, writePrograms } from "../support/docs.ts";
import { type Program, startProgram } from "../support/program.ts";

describe("the README", () => {
  let broker: Broker;
  let programs: DocPrograms;
  const running: Program[] = [];
  beforeAll(async () => {
    broker = await launchNatsServer({ maxPayloadBytes: 8 * 1024 * 1024 });
    programs = await writePrograms("README.md", { "ws://127.0.0.1:9222": String(broker.wsUrl) });
  });
  afterAll(async () => {
    await Promise.all(running.map((program) => program.kill()));
    await programs[Symbol.asyncDispose]();
    await broker.stop();
  });

  test("shows a worker and a client that work as they stand", async () => {
    const worker = startProgram(programs.path("worker.ts"), [], { env: { WAYBILL_URL: broker.tcpUrl } });
    running.push(worker);
    await worker.waitFor(/Serving/);
    const client = startProgram(programs.path("client.ts"));
    running.push(client);
    const { code } = await client.exited;
    expect([client.output.trim(), code]).toEqual(["UINT8 [1080,1920,3] (6220800 bytes): 170", 0]);
    expect(await worker.kill("SIGTERM")).toMatchObject({ code: 0 });
  });

  test("keeps them short", async () => {
    const lines = new Map((await codeBlocks("README.md")).map(({ file, code }) => [file, code.trim().split("\n").length]));
    // The first line of each only names the file.
    expect(lines.get("worker.ts")).toBeLessThanOrEqual(18);
    expect(lines.get("client.ts")).toBeLessThanOrEqual(22);
  });
});
