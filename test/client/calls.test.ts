import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type AnyTensor,
  type InferParameters,
  infoOf,
  operator,
  type OperatorRequest,
  RemoteTensor,
  Tensor,
} from "../../mod.ts";
import { type FakeDeployment, startFakeDeployment } from "../../src/testing/mod.ts";
import { failure, pause } from "../support/waiting.ts";

const seen: OperatorRequest<unknown>[] = [];
let tries = 0;

async function unsteady(parameters: Readonly<InferParameters>): Promise<Record<string, never>> {
  tries++;
  await pause(Number(parameters.ms ?? 0));
  if (tries <= Number(parameters.failures)) throw new ConnectError("not yet", Number(parameters.code ?? Code.Unavailable));
  return {};
}

const operators = [
  operator({
    name: "see",
    version: 3,
    priorities: 3,
    execute: (request, context) => {
      seen.push(request);
      context.responseParameters.answer = 42n;
      context.responseParameters.half = 0.5;
      return {};
    },
  }),
  operator({
    name: "forward",
    execute: async (request, context) => {
      await context.call("see").infer({}, { parameters: request.parameters });
      return {};
    },
  }),
  operator({ name: "steady", idempotent: true, execute: ({ parameters }) => unsteady(parameters) }),
  operator({ name: "unsteady", execute: ({ parameters }) => unsteady(parameters) }),
  operator({
    name: "where",
    fetchInputs: false,
    execute: ({ inputs }) =>
      Object.fromEntries(
        Object.entries(inputs).map((
          [name, tensor],
        ) => [name, Tensor.from("BYTES", [tensor instanceof RemoteTensor ? tensor.waybill.node : "here"])]),
      ),
  }),
  operator({
    name: "two",
    execute: () => ({ small: Tensor.from("UINT8", new Uint8Array(10)), large: Tensor.from("UINT8", new Uint8Array(200_000)) }),
  }),
];

let deployment: FakeDeployment;
beforeAll(async () => {
  deployment = await startFakeDeployment({ operators, name: "fake" });
});
afterAll(() => deployment.close());

function kindOf(tensor: AnyTensor | undefined): string {
  return tensor instanceof RemoteTensor ? "remote" : "inline";
}

describe("parameters", () => {
  test("[P8] [P9] arrive in their exact types", async () => {
    const parameters = {
      ...{ text: "ü", yes: true, no: false, whole: 7, negative: -7, half: 0.5, zero: -0, tiny: 5e-324 },
      ...{ huge: 2n ** 63n, least: -(2n ** 63n), infinite: Infinity, empty: "", __proto__x: "own" },
    };
    await deployment.client.operator("see").infer({}, { parameters });
    expect(seen.at(-1)?.parameters).toEqual(parameters);
    expect(Object.is(seen.at(-1)?.parameters.zero, -0)).toBe(true);
  });

  test("of the protocol's own names are refused, each with the option that sets it", async () => {
    for (const name of ["priority", "sequence_id", "timeout", "waybill_inline", "triton_x"]) {
      const error = await failure(deployment.client.operator("see").infer({}, { parameters: { [name]: 1 } }));
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.rawMessage).toContain(`"${name}"`);
    }
  });

  test("of the protocol never show among the user's, and are not forwarded twice", async () => {
    const options = { parameters: { mine: 1 }, priority: 2, correlationId: "group", inline: true, id: "my id" };
    await deployment.client.operator("see").infer({}, options);
    const { parameters, priority, correlationId, id } = seen.at(-1)!;
    expect({ parameters, priority, correlationId, id }).toEqual({
      ...{ parameters: { mine: 1 }, priority: 2, correlationId: "group", id: "my id" },
    });
    await deployment.client.operator("forward").infer({}, { ...options, priority: 0 });
    const forwarded = seen.at(-1)!;
    expect(forwarded.parameters).toEqual({ mine: 1 });
    expect([forwarded.priority, forwarded.correlationId, forwarded.id]).toEqual([0, undefined, ""]);
  });

  test("come back with the answer, beside who gave it", async () => {
    const outputs = await deployment.client.operator("see").infer({}, { id: "mine" });
    expect(infoOf(outputs)).toEqual({
      ...{ instance: deployment.worker.instance, attempt: 1, id: "mine", version: "3" },
      parameters: { answer: 42, half: 0.5 },
    });
    expect(infoOf({})).toBeUndefined();
  });

  test("may be numbers as correlation ids", async () => {
    await deployment.client.operator("see").infer({}, { correlationId: 7 });
    expect(seen.at(-1)?.correlationId).toBe(7);
  });
});

describe("a priority", () => {
  test("that is none is refused before the request is sent", async () => {
    const before = seen.length;
    for (const priority of [-1, 1.5, NaN, 256, Infinity]) {
      const error = await failure((async () => await deployment.client.operator("see").infer({}, { priority }))());
      expect([priority, error.code]).toEqual([priority, Code.InvalidArgument]);
    }
    expect(seen.length).toBe(before);
  });

  test("above the declared levels is not_found, and says which there are", async () => {
    const hasty = deployment.connect({ operatorWaitMs: 300 });
    const error = await failure(hasty.operator("see").infer({}, { priority: 3 }));
    expect(error.code).toBe(Code.NotFound);
    expect(error.rawMessage).toContain("its priority must be an integer from 0 to 2, got 3");
  });
});

describe("a version", () => {
  test("that is not declared is not_found, and says which there are", async () => {
    const hasty = deployment.connect({ operatorWaitMs: 300 });
    for (const mode of ["queue", "direct"] as const) {
      const error = await failure(hasty.operator("see", { version: 9, mode }).infer({}));
      expect(error.code).toBe(Code.NotFound);
      expect(error.rawMessage).toContain('its version must be one of "3", got "9"');
    }
    await hasty.operator("see", { version: 3 }).infer({});
  });
});

describe("a call that fails unavailable", () => {
  test("is tried again where its operator is idempotent", async () => {
    tries = 0;
    await deployment.client.operator("steady").infer({}, { parameters: { failures: 2 } });
    expect(tries).toBe(3);
  });

  test("is tried again no more often than it may be", async () => {
    tries = 0;
    const error = await failure(deployment.client.operator("steady").infer({}, { parameters: { failures: 9 }, retries: 1 }));
    expect([error.code, tries]).toEqual([Code.Unavailable, 2]);
  });

  test("is never tried again where its operator is not idempotent, unless the caller says so", async () => {
    tries = 0;
    await failure(deployment.client.operator("unsteady").infer({}, { parameters: { failures: 1 } }));
    expect(tries).toBe(1);
    tries = 0;
    await deployment.client.operator("unsteady").infer({}, { parameters: { failures: 1 }, idempotent: true });
    expect(tries).toBe(2);
    tries = 0;
    await failure(deployment.client.operator("steady").infer({}, { parameters: { failures: 1 }, idempotent: false }));
    expect(tries).toBe(1);
  });

  test("is not tried again for other codes", async () => {
    tries = 0;
    const parameters = { failures: 1, code: Code.Aborted };
    expect((await failure(deployment.client.operator("steady").infer({}, { parameters }))).code).toBe(Code.Aborted);
    expect(tries).toBe(1);
  });

  test("has for all its tries the time of one", async () => {
    tries = 0;
    const started = performance.now();
    const options = { parameters: { failures: 99, ms: 150 }, timeoutMs: 500, retries: 50 };
    const error = await failure(deployment.client.operator("steady").infer({}, options));
    expect([Code.Unavailable, Code.DeadlineExceeded]).toContain(error.code);
    expect(performance.now() - started).toBeLessThan(900);
    expect(tries).toBeLessThanOrEqual(3);
  });

  test("stops waiting for its next try when its signal fires", async () => {
    tries = 0;
    const stop = new AbortController();
    const answer = failure(
      deployment.client.operator("steady").infer({}, { parameters: { failures: 99 }, retries: 10, signal: stop.signal }),
    );
    setTimeout(() => stop.abort(), 200);
    const started = performance.now();
    expect((await answer).code).toBe(Code.Canceled);
    expect(performance.now() - started).toBeLessThan(400);
  });
});

describe("tensors", () => {
  test("that are remote are forwarded as they are", async () => {
    const { client, worker } = deployment;
    const remote = await client.put(Tensor.from("UINT8", new Uint8Array(100)));
    expect(remote.waybill.node).toBe(worker.instance);
    const { x, y } = await client.operator("where").infer({ x: remote, y: new Uint8Array(3) });
    expect([(await x!.fetch()).strings(), (await y!.fetch()).strings()]).toEqual([[worker.instance], ["here"]]);
  });

  test("travel in messages or by reference as they are told", async () => {
    const { client } = deployment;
    const kinds = async (inline?: boolean | Record<string, boolean | "auto"> | "auto") => {
      const { small, large } = await client.operator("two").infer({}, inline === undefined ? {} : { inline });
      return [kindOf(small), kindOf(large)];
    };
    expect(await kinds()).toEqual(["inline", "remote"]);
    expect(await kinds("auto")).toEqual(["inline", "remote"]);
    expect(await kinds(true)).toEqual(["inline", "inline"]);
    expect(await kinds(false)).toEqual(["remote", "remote"]);
    expect(await kinds({ small: false, large: true })).toEqual(["remote", "inline"]);
    const sent = async (inline: boolean | Record<string, boolean>) => {
      const outputs = await client.operator("where").infer({ a: new Uint8Array(3), b: new Uint8Array(3) }, { inline });
      const texts = Object.entries(outputs).map(async ([name, tensor]) => [name, (await tensor.fetch()).strings()[0]]);
      return Object.fromEntries(await Promise.all(texts)) as Record<string, string>;
    };
    const { instance } = deployment.worker;
    expect(await sent(true)).toEqual({ a: "here", b: "here" });
    expect(await sent(false)).toEqual({ a: instance, b: instance });
    expect(await sent({ a: false })).toEqual({ a: instance, b: "here" });
  });
});

describe("a client", () => {
  test("lists operators with versions, instances and schemas", async () => {
    const listed = await deployment.client.operators();
    expect(listed.map(({ name }) => name).sort()).toEqual(operators.map(({ name }) => name).sort());
    expect(listed.find(({ name }) => name === "see")).toMatchObject({
      ...{ versions: ["3"], defaultVersion: "3", idempotent: false, inputs: undefined },
      instances: [{ id: deployment.worker.instance, name: "fake", version: "3" }],
    });
    expect(listed.find(({ name }) => name === "steady")?.idempotent).toBe(true);
  });

  test("declares an operator whose requests wait for a worker to come", async () => {
    const { client } = deployment;
    await client.declare("later", { versions: ["1", "2"], maxAttempts: 1 });
    const answer = client.operator("later").infer({});
    await client.operator("later").post({});
    expect((await client.operators()).find(({ name }) => name === "later")).toMatchObject({
      ...{ versions: ["1", "2"], defaultVersion: "2", instances: [] },
    });
    let runs = 0;
    const execute = () => (runs++, {});
    await deployment.startWorker({ operators: [operator({ name: "later", version: 2, execute })] });
    await answer;
    expect(runs).toBe(2);
  });

  test("refuses what makes no sense before anything is sent", async () => {
    const { client } = deployment;
    for (const timeoutMs of [0, -1, NaN]) {
      expect((await failure(client.operator("see").infer({}, { timeoutMs }))).code).toBe(Code.InvalidArgument);
    }
    expect((await failure((async () => await client.operator("").infer({}))())).code).toBe(Code.InvalidArgument);
    expect((await failure((async () => await client.operator("x".repeat(300)).infer({}))())).code).toBe(Code.InvalidArgument);
  });

  test("ends its calls as canceled when it is closed, and makes no new ones", async () => {
    const client = deployment.connect();
    const running = failure(client.operator("unsteady").infer({}, { parameters: { ms: 500 } }));
    await pause(50);
    await client.close();
    expect((await running).code).toBe(Code.Canceled);
    expect((await failure(client.operator("see").infer({}))).code).toBe(Code.Unavailable);
    await client.close();
  });
});
