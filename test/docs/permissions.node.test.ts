// The broker enforces permissions, whatever the runtime of who asks: Node runs it.
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Client, Code, connect, isRemoteTensor, operator, Tensor } from "../../mod.ts";
import { locateBroker } from "../../src/deployment/broker/locate.ts";
import { callApi } from "../../src/rpc/queue/jetstream-api.ts";
import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { startWorker, type Worker } from "../../src/worker/mod.ts";
import { codeBlocks, type DocPrograms, writePrograms } from "../support/docs.ts";
import { startProgram, until } from "../support/program.ts";

const page = "docs/permissions.md";
const passwords = { EDGE_PASSWORD: "edge-secret", WORKER_PASSWORD: "worker-secret" };
const edge = {
  namespace: "demo",
  user: "edge",
  password: passwords.EDGE_PASSWORD,
  callerId: "edge",
  inboxPrefix: "_INBOX_edge",
};

/** Runs the page's configuration as it stands, on other ports and in another folder. */
async function startDocumentedBroker(folder: string): Promise<Broker> {
  const config = (await codeBlocks(page)).find(({ file }) => file === "nats-server.conf")?.code ?? "";
  const moved = config.replaceAll(/0\.0\.0\.0:\d+/g, "127.0.0.1:-1").replace("/var/lib/nats", join(folder, "store"));
  await writeFile(join(folder, "nats-server.conf"), `${moved}http: "127.0.0.1:-1"\n`);
  const { path } = await locateBroker();
  const variables = Object.entries(passwords).map(([name, value]) => `${name}=${value}`).join(" ");
  const script = `#!/bin/sh\n${variables} exec "${path}" -c "${folder}/nats-server.conf" --ports_file_dir "\${2%/*}"\n`;
  const binary = join(folder, "documented-nats-server");
  await writeFile(binary, script);
  await chmod(binary, 0o755);
  return await launchNatsServer({ binary });
}

const double = operator({
  name: "double",
  inputs: { x: { dtype: "FP32", shape: [-1] } },
  maxInflight: 1,
  execute: async ({ inputs: { x }, parameters: { waitMs = 0 } }) => {
    await new Promise((resolve) => setTimeout(resolve, Number(waitMs)));
    return { y: x.data.map((value) => value * 2) };
  },
});

describe("the documented permissions", () => {
  let folder: string;
  let broker: Broker;
  let worker: Worker;
  let client: Client;
  let programs: DocPrograms;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "waybill-permissions-"));
    broker = await startDocumentedBroker(folder);
    programs = await writePrograms(page, { "ws://127.0.0.1:9222": String(broker.wsUrl) });
    worker = await startWorker({
      namespace: "demo",
      servers: broker.tcpUrl,
      user: "worker",
      password: passwords.WORKER_PASSWORD,
      operators: [double],
    });
    client = await connect(broker.tcpUrl, edge);
  });
  afterAll(async () => {
    await client.close();
    await worker.close();
    await programs[Symbol.asyncDispose]();
    await broker.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("let a client call in every way, and the broker refuses nothing meanwhile", async () => {
    const handle = client.operator("double");
    const x = new Float32Array([1, 2]);
    for (const options of [{}, { mode: "direct" }, { mode: "at-most-once" }, { instance: worker.instance }] as const) {
      const { y } = await handle.infer({ x }, options);
      expect([...(await y?.fetch())?.data ?? []]).toEqual([2, 4]);
    }
    for await (const { y } of handle.stream({ x })) expect(y?.shape).toEqual([2]);
    await handle.post({ x });
    const large = await handle.infer({ x: Tensor.from(new Float32Array(500_000)) }, { inline: false });
    if (!isRemoteTensor(large.y)) throw new Error("The answer should have come by reference");
    expect(await large.y.fetch({ via: ["bus"] })).toMatchObject({ byteLength: 2_000_000 });
    await large.y.release();
    // The one slot is taken: what is canceled is still stored, and an instance deletes it.
    const first = handle.infer({ x }, { parameters: { waitMs: 400 } });
    const waiting = handle.infer({ x }, { signal: AbortSignal.timeout(150) });
    await expect(waiting).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    await first;
    await handle.infer({ x });
    expect((await client.operators()).map(({ name }) => name)).toEqual(["double"]);
    expect(await broker.readLog(1_000)).not.toContain("Violation");
  });

  test("let the page's own worker and client work", async () => {
    const env = { WAYBILL_URL: broker.tcpUrl, WAYBILL_USER: "worker", WAYBILL_PASSWORD: passwords.WORKER_PASSWORD };
    const program = startProgram(programs.path("worker.ts"), [], { env });
    try {
      await program.waitFor(/Serving/);
      const caller = startProgram(programs.path("client.ts"), [], { env: { EDGE_PASSWORD: passwords.EDGE_PASSWORD } });
      const { code } = await caller.exited;
      expect([caller.output.trim(), code]).toEqual(["2 4 6", 0]);
    } finally {
      await program.kill();
    }
  });

  test("refuse a client other operators, storage and the answers to others", async () => {
    await expect(client.declare("mine")).rejects.toMatchObject({ code: Code.PermissionDenied });
    for (
      const subject of [
        "$JS.API.STREAM.DELETE.wb+demo+q+double",
        "$JS.API.STREAM.MSG.GET.wb+demo+q+double",
        "wb.demo.q.other.1.0",
      ]
    ) {
      await expect(client.bus.request(subject, new Uint8Array(0), { timeoutMs: 1_000 })).rejects.toMatchObject({
        code: Code.PermissionDenied,
      });
    }
    // The broker's own answers obey nobody's permissions: they must lead nowhere.
    for (const stream of ["wb+demo+q+double", "wb+demo+dl", "KV_wb_demo"]) {
      const reply = `$JS.API.STREAM.DELETE.${stream}`;
      client.bus.publish("wb.demo.q.double.1.0", new Uint8Array(0), { reply });
      client.bus.publish("$JS.API.DIRECT.GET.KV_wb_demo.$KV.wb_demo.decl.double", new Uint8Array(0), { reply });
    }
    await client.bus.flush();
    for (const stream of ["wb+demo+dl", "KV_wb_demo"]) await callApi(worker.client.bus, `STREAM.INFO.${stream}`);
    client.bus.subscribe("wb.demo.r.>", () => {});
    await until("the broker refused it", async () => /Subscription Violation.*wb\.demo\.r\.>/.test(await broker.readLog(50)));
  });

  test("let a client publish events as itself and hear those that it may, and nothing else", async () => {
    const jobs = await client.events.subscribe("jobs");
    await client.events.publish("jobs.done", 1);
    await worker.client.events.publish("jobs.done", 2);
    expect([await jobs.next(), await jobs.next()].map((event) => [event.component, event.json()])).toEqual([
      ["edge", 1],
      [worker.instance, 2],
    ]);
    const other = await connect(broker.tcpUrl, { ...edge, component: "worker" });
    const refused = [client.events.subscribe(), client.events.subscribe("other"), other.events.publish("jobs", 1)];
    const outcomes = await Promise.allSettled(refused);
    expect(outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason.code)).toEqual(
      refused.map(() => Code.PermissionDenied),
    );
    await jobs.close();
    await other.close();
  });
});
