// Real worker processes behind a real broker: what the test itself runs on makes no difference.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Code, infoOf, operator } from "../../mod.ts";
import { Subjects } from "../../src/rpc/subjects.ts";
import { callApi } from "../../src/rpc/queue/jetstream-api.ts";
import { Puller } from "../../src/rpc/queue/puller.ts";
import { startWorker } from "../../src/worker/mod.ts";
import { Troubled, type WorkerProgram } from "../failures/troubled.ts";
import { until } from "../support/program.ts";
import { collect, failure } from "../support/waiting.ts";

const file = "test/fixtures/end-to-end/worker.ts";
const x = Int32Array.of(1, 2, 3);

let world: Troubled;
beforeAll(async () => {
  world = await Troubled.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

function workers(count: number, operators: string[], env: WorkerProgram["env"] = {}) {
  const program = { file, env: { WAYBILL_OPERATORS: JSON.stringify(operators), ...env } };
  return Promise.all(Array.from({ length: count }, () => world.worker("bun", undefined, program)));
}

/** Of two workers the first that answers is named by all later requests. */
async function nameFirst(maxInflight: string): Promise<void> {
  await workers(2, ["echo"], { MAX_INFLIGHT: maxInflight });
  const echo = (await world.client()).operator("echo");
  const instance = infoOf(await echo.infer({ x }))?.instance;
  const answered = [instance];
  for (let request = 1; request < 100; request++) {
    answered.push(infoOf(await echo.infer({ x }, { instance }))?.instance);
  }
  expect([answered.length, new Set(answered).size]).toEqual([100, 1]);
}

describe("requests", () => {
  test("[RP1] may be sent from where an answer is handled, each by five more", async () => {
    await workers(1, ["echo"], { MAX_INFLIGHT: "100" });
    const echo = (await world.client()).operator("echo");
    let answered = 0;
    const ask = async (further: number): Promise<void> => {
      await echo.infer({ x });
      answered++;
      if (further > 0) await Promise.all(Array.from({ length: 5 }, () => ask(further - 1)));
    };
    await ask(3);
    expect(answered).toBe(1 + 5 + 25 + 125);
  });

  test("[RP1] reach a worker whose pulls have ended empty again and again", async () => {
    const client = await world.client();
    await client.declare("idle");
    const subjects = new Subjects(client.namespace);
    const stream = subjects.queueStream("idle");
    const consumers = await callApi<{ consumers: string[] }>(client.bus, `CONSUMER.NAMES.${stream}`);
    let [pulls, delivered] = [0, 0];
    const counted = new Proxy(client.bus, {
      get: (bus, name) => {
        if (name === "publish") pulls++;
        const value: unknown = Reflect.get(bus, name, bus);
        return typeof value === "function" ? value.bind(bus) : value;
      },
    });
    const puller = new Puller(counted, {
      inbox: subjects.answers("puller"),
      stream,
      consumer: consumers.consumers[0] ?? "",
      free: () => 100,
      deliver: () => void delivered++,
      repair: () => Promise.resolve(),
      expiresMs: 100,
    });
    puller.demand();
    await until("several pulls ended empty", () => pulls > 5);
    expect(delivered).toBe(0);
    for (let i = 0; i < 10; i++) await client.operator("idle").post({ x });
    await until("all came", () => delivered === 10);
    await puller.stop();
  });

  test("[RP2] one after the other to another process are each answered once, and each answer ends", async () => {
    await workers(1, ["echo"]);
    const echo = (await world.client()).operator("echo");
    let answers = 0;
    for (let request = 0; request < 100; request++) {
      const of = await collect(echo.stream({ x: Int32Array.of(request) }));
      for (const { x } of of) expect((await x?.fetch())?.toNumbers()).toEqual([request]);
      answers += of.length;
    }
    expect(answers).toBe(100);
  });

  test("[RP3] that name the one of two workers that answered first are all answered by it", async () => {
    await nameFirst("10");
  });

  test("[RP4] that name a worker are all answered by it, also where it pulls one at a time", async () => {
    await nameFirst("1");
  });

  test("[WK3] that name five of ten workers are answered by these five and by no other", async () => {
    const { broker, namespace } = world;
    const started = await Promise.all(Array.from({ length: 10 }, (_, i) => {
      const echo = operator({ name: "echo", execute: ({ inputs }) => inputs });
      return startWorker({ name: `echo.${i}`, namespace, servers: broker.tcpUrl, operators: [echo], tensors: { http: false } });
    }));
    try {
      const echo = (await world.client()).operator("echo");
      const targets = new Set<string>();
      let requests = 0;
      while (targets.size < 5) {
        const outputs = await Promise.all(Array.from({ length: 5 }, () => echo.infer({ x })));
        requests += 5;
        for (const of of outputs) if (targets.size < 5) targets.add(String(infoOf(of)?.instance));
      }
      const responders = new Set<string>();
      for (let request = 0; request < Math.max(45, 50 - requests); request++) {
        const instance = [...targets][request % 5];
        responders.add(String(infoOf(await echo.infer({ x }, { instance }))?.instance));
      }
      expect([...responders].sort()).toEqual([...targets].sort());
    } finally {
      await Promise.all(started.map((worker) => worker.close()));
    }
  });

  test("[I2] are shared among workers that can do the same", async () => {
    const all = await workers(3, ["work"], { MAX_INFLIGHT: "2" });
    const work = (await world.client()).operator("work");
    const answers = await Promise.all(Array.from({ length: 150 }, () => work.infer({})));
    const shares = all.map(({ instance }) => answers.filter((outputs) => infoOf(outputs)?.instance === instance).length);
    expect(shares.reduce((sum, share) => sum + share)).toBe(150);
    // 50 each, if all were equally fast at every moment.
    expect(Math.min(...shares)).toBeGreaterThan(10);
  });

  test("[I5] reach operators of awkward names in every mode", async () => {
    const [worker] = await workers(1, ["my.echo-1 of é"]);
    const client = await world.client({ operatorWaitMs: 100 });
    const echo = client.operator("my.echo-1 of é");
    for (const options of [{}, { mode: "direct" }, { instance: worker!.instance }] as const) {
      expect((await echo.infer({ x }, options)).x?.shape).toEqual([3]);
    }
    expect((await client.operators()).map(({ name }) => name)).toEqual(["my.echo-1 of é"]);
    for (const other of ["my.echo-1 of e", "my-echo-1 of é", "My.echo-1 of é"]) {
      expect((await failure(client.operator(other).infer({ x }))).code).toBe(Code.NotFound);
    }
  });
});
