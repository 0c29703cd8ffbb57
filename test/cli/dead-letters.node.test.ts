// The commands run as processes of their own, on Node as users run them.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type Client, connect, operator, Tensor } from "../../mod.ts";
import { deadLettersOf } from "../../src/deployment/mod.ts";
import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { startWorker, type Worker } from "../../src/worker/mod.ts";
import { waybillToString } from "../../src/waybill/mod.ts";
import { startProgram, until } from "../support/program.ts";
import { pause } from "../support/waiting.ts";

let broker: Broker;
let client: Client;
let worker: Worker;
let namespace: string;
const executed: string[] = [];
const secret = "hunter2";

async function waybill(...args: string[]): Promise<{ code: number | null; output: string }> {
  const env = { WAYBILL_URL: broker.tcpUrl, WAYBILL_NAMESPACE: namespace };
  const program = startProgram("src/cli/main.ts", ["dead-letters", ...args], { env });
  const { code } = await program.exited;
  return { code, output: program.output.trimEnd() };
}

/** Posts requests whose time is over before anybody can take them. */
async function bury(name: string, ids: readonly string[]): Promise<void> {
  const stored = await client.put(Tensor.from(new Float32Array([1, 2])));
  for (const id of ids) {
    const parameters = { ms: 5, note: `see ${waybillToString(stored.waybill)}` };
    const options = { id, timeoutMs: 200, parameters, headers: { authorization: secret }, inline: { near: true } };
    await client.operator(name).post({ near: new Int32Array([1, 2, 3]), far: stored }, options);
  }
}

const recording = (name: string) =>
  operator({ name, fetchInputs: false, execute: (request) => (executed.push(request.id), {}) });

beforeAll(async () => {
  broker = await launchNatsServer();
});
beforeEach(async () => {
  await worker?.close();
  await client?.close();
  namespace = `t-${crypto.randomUUID().slice(0, 8)}`;
  client = await connect(broker.tcpUrl, { namespace });
  await client.serveTensors({ http: false });
  executed.length = 0;
  for (const name of ["a", "b"]) await client.declare(name);
  await bury("a", ["a1", "a2"]);
  await bury("b", ["b1"]);
  await pause(250);
  worker = await startWorker({ servers: broker.tcpUrl, namespace, operators: ["a", "b"].map(recording) });
  await until("all are given up", async () => (await Array.fromAsync(deadLettersOf(client).list())).length === 3);
});
afterAll(async () => {
  await client.close();
  await worker.close();
  await broker.stop();
});

describe("waybill dead-letters", () => {
  test("lists what was given up, of all operators or of one, as a table or as JSON", async () => {
    const all = await waybill("list");
    expect([all.code, all.output.split("\n").length]).toEqual([0, 4]);
    expect(all.output).toMatch(/^ID +OPERATOR +VERSION +REASON +ATTEMPTS +BYTES +AT\n\d+ +[ab] +1 +EXPIRED +0 +\d+ +2\d{3}-/);
    const some = await waybill("list", "--operator", "a", "--json");
    const letters = JSON.parse(some.output) as { operator: string; reason: string; attempts: number }[];
    expect(letters.map(({ operator, reason, attempts }) => [operator, reason, attempts])).toEqual([
      ["a", "EXPIRED", 0],
      ["a", "EXPIRED", 0],
    ]);
    expect(await waybill("list", "--operator", "nobody")).toEqual({ code: 0, output: "No dead letters" });
  });

  test("shows what a request asked for, and neither capabilities nor metadata", async () => {
    const [letter] = await Array.fromAsync(deadLettersOf(client).list({ operator: "b" }));
    const shown = await waybill("show", String(letter?.id));
    expect(shown.code).toBe(0);
    expect(shown.output).toMatch(/operator +b\n/);
    expect(shown.output).toMatch(/request id +b1\n/);
    expect(shown.output).toContain("near: INT32 [3], 12 bytes\n");
    expect(shown.output).toContain("far: FP32 [2], 8 bytes, by reference\n");
    expect(shown.output).toMatch(/parameter +ms = 5\n/);
    expect(shown.output).toMatch(/header +authorization \(not shown\)$/);
    const json = await waybill("show", String(letter?.id), "--json");
    expect(JSON.parse(json.output)).toMatchObject({
      operator: "b",
      request: { id: "b1", parameters: { note: "(a waybill)" } },
    });
    for (const { output } of [shown, json]) {
      expect(output).not.toContain(secret);
      expect(output).not.toContain("wb1.");
    }
  });

  test("puts requests back into their queues, and removes the letters", async () => {
    const [letter] = await Array.fromAsync(deadLettersOf(client).list({ operator: "b" }));
    const one = await waybill("retry", String(letter?.id), "--timeout-ms", "60000");
    expect(one.code).toBe(0);
    expect(one.output).toMatch(/^Dead letter \d+ is back in its queue, as number \d+$/);
    await until("it has run", () => executed.length === 1);
    const all = await waybill("retry", "--operator", "a", "--timeout-ms", "60000", "--json");
    expect((JSON.parse(all.output) as unknown[]).length).toBe(2);
    await until("they have run", () => executed.length === 3);
    expect(executed).toEqual(["b1", "a1", "a2"]);
    expect((await waybill("list")).output).toBe("No dead letters");
  });

  test("drops requests for good", async () => {
    expect((await waybill("drop", "--operator", "a")).output).toBe("Dropped 2 dead letters");
    const [letter, ...others] = await Array.fromAsync(deadLettersOf(client).list());
    expect([letter?.operator, others]).toEqual(["b", []]);
    expect((await waybill("drop", String(letter?.id))).output).toBe(`Dropped dead letter ${letter?.id}`);
    expect(executed).toEqual([]);
  });

  test("says what is wrong with numbers that are none, unknown or not given", async () => {
    const failures = await Promise.all(
      [["show", "x"], ["show", "99"], ["retry", "99"], ["drop", "99"], ["drop"]].map((args) => waybill(...args)),
    );
    expect(failures).toEqual([
      'Cannot look for a dead letter: its number must be an integer from 1, got "x"',
      `Cannot read dead letter 99: there is none with this number in namespace "${namespace}"`,
      `Cannot retry dead letter 99: there is none with this number in namespace "${namespace}"`,
      `Cannot drop dead letter 99: there is none with this number in namespace "${namespace}"`,
      "Cannot tell which dead letters: numbers or --operator must be given, got neither",
    ].map((output) => ({ code: 1, output })));
  });

  test("keeps a letter whose queue is gone or full", async () => {
    const { id } = (await Array.fromAsync(deadLettersOf(client).list({ operator: "b" })))[0]!;
    await worker.close();
    await client.declare("b", { maxQueuedMessages: 1 });
    await client.operator("b").post({});
    expect((await waybill("retry", String(id))).output).toBe(
      `Cannot retry dead letter ${id} of operator "b": the broker did not store it: maximum messages exceeded`,
    );
    await client.bus.request(`$JS.API.STREAM.DELETE.wb+${namespace}+q+b`, new Uint8Array(0));
    expect((await waybill("retry", String(id))).output).toBe(
      `Cannot retry dead letter ${id} of operator "b": version "1" of it must be declared, and is not`,
    );
    expect((await waybill("list", "--operator", "b")).output).toContain("EXPIRED");
  });
});
