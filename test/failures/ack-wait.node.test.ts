// Real worker processes, which end by force: what the test itself runs on makes no difference.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { infoOf } from "../../mod.ts";
import { defineDeployment } from "../../src/deployment/mod.ts";
import { planDeployment } from "../../src/deployment/plan.ts";
import { workerEnvironment } from "../../src/deployment/worker-environment.ts";
import { operator, startWorker } from "../../src/worker/mod.ts";
import { type Program, startProgram } from "../support/program.ts";
import { failure } from "../support/waiting.ts";
import { countOf, serving, Troubled, type TroubledWorker, whoever } from "./troubled.ts";

let world: Troubled;
const programs: Program[] = [];
beforeAll(async () => {
  world = await Troubled.start();
});
afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.kill("SIGKILL")));
  await world.clear();
});
afterAll(() => world.stop());

function impatient(): Promise<TroubledWorker> {
  const env = { WAYBILL_URL: world.broker.tcpUrl, WAYBILL_NAMESPACE: world.namespace, WAYBILL_ACK_WAIT_MS: "1000" };
  const program = startProgram("test/fixtures/troubled-worker.ts", [], { runtime: "node", env });
  programs.push(program);
  return serving(program);
}

describe("a worker with an ackWaitMs of 1,000", () => {
  test("keeps its request for as long as it lives, also while its loop is blocked", async () => {
    const workers = [await impatient(), await impatient()];
    const client = await world.client();
    // One after the other: what reaches a worker whose loop is blocked by another request rightly goes to the second one.
    const blocked = await client.operator("block").infer({}, { parameters: { ms: 3_000 } });
    const slept = await client.operator("sleep").infer({}, { parameters: { ms: 3_000 } });
    expect([infoOf(blocked)?.attempt, infoOf(slept)?.attempt]).toEqual([1, 1]);
    expect(countOf(workers, /@(blocking|sleeping)/)).toBe(2);
  });

  test("loses it to another one within that time when it is killed", async () => {
    const workers = [await impatient(), await impatient()];
    const client = await world.client();
    const answer = client.operator("sleep").infer({}, { parameters: { ms: 1_500 } });
    const first = await whoever(workers, /@sleeping attempt=1/);
    await first.kill("SIGKILL");
    const killed = performance.now();
    await whoever(workers, /@sleeping attempt=2/);
    // The default would take five seconds.
    expect(performance.now() - killed).toBeLessThan(4_000);
    expect(infoOf(await answer)?.attempt).toBe(2);
  });
});

describe("ackWaitMs", () => {
  test("reaches workers from a deployment", async () => {
    const workers = [{ name: "w", file: new URL("../fixtures/troubled-worker.ts", import.meta.url) }];
    const plan = await planDeployment(defineDeployment({ workers, ackWaitMs: 700 }));
    expect(workerEnvironment(plan, plan.workers[0]!, []).WAYBILL_ACK_WAIT_MS).toBe("700");
    const error = await failure(planDeployment(defineDeployment({ workers, ackWaitMs: 100 })));
    expect(error.rawMessage).toMatch(/ackWaitMs must be an integer from 500 to 86400000, got 100$/);
  });

  test("is refused by operators and workers where a busy machine would break it", async () => {
    const execute = () => ({});
    expect(() => operator({ name: "op", ackWaitMs: 499, execute })).toThrow("ackWaitMs must be an integer from 500, got 499");
    const error = await failure(startWorker({ operators: [operator({ name: "op", execute })], ackWaitMs: 20 }));
    expect(error.rawMessage).toBe("Cannot start a worker: ackWaitMs must be an integer from 500 to 86400000, got 20");
  });
});
