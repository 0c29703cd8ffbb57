// Readers and writers in processes of their own: what the test itself runs on makes no difference.
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type AnyTensor, type Client, Code, isRemoteTensor, type RemoteTensor, Tensor, type TensorValue } from "../../mod.ts";
import { waybillToString } from "../../src/waybill/mod.ts";
import { Troubled } from "../failures/troubled.ts";
import { samples } from "../fixtures/end-to-end/samples.ts";
import { until } from "../support/program.ts";
import { failure } from "../support/waiting.ts";

let world: Troubled;
beforeAll(async () => {
  world = await Troubled.start();
});
afterEach(() => world.clear());
afterAll(() => world.stop());

async function serving(...operators: string[]): Promise<Client> {
  const env = { WAYBILL_OPERATORS: JSON.stringify(operators) };
  await world.worker("bun", undefined, { file: "test/fixtures/end-to-end/worker.ts", env });
  return await world.client();
}

function same(a: Tensor, b: Tensor): boolean {
  return a.dtype === b.dtype && a.shape.join() === b.shape.join() && Buffer.compare(a.bytes, b.bytes) === 0;
}

async function readEveryDtype(inline: boolean, rows: number): Promise<void> {
  const client = await serving("samples");
  const outputs = await client.operator("samples", { inline }).infer({}, { parameters: { rows } });
  const wanted = samples([rows, 4]);
  expect(Object.keys(outputs).sort()).toEqual(Object.keys(wanted).sort());
  for (const [dtype, tensor] of Object.entries(outputs)) {
    expect([dtype, isRemoteTensor(tensor)]).toEqual([dtype, !inline]);
    expect([dtype, same(await tensor!.fetch(), wanted[dtype]!)]).toEqual([dtype, true]);
  }
}

describe("a tensor of another process", () => {
  test("[DP1] that its owner does not know is refused to its readers, and may be released", async () => {
    const client = await serving("samples");
    const { INT32: real } = await client.operator("samples", { inline: false }).infer({}, { parameters: { rows: 1 } });
    if (!isRemoteTensor(real)) throw new Error("It should have come by reference");
    const unknown = client.open(real.waybill.with({ reference: crypto.getRandomValues(new Uint8Array(16)) }));
    const works = [unknown.fetch(), unknown.read({ offset: 0, length: 1 }), unknown.share(), unknown.touch()];
    for (const { code } of await Promise.all(works.map(failure))) expect(code).toBe(Code.PermissionDenied);
    await unknown.release();
    expect((await real.fetch()).shape).toEqual([1, 4]);
  });

  test("[DP2] tells its memory before it is fetched, keeps its id, and lets its writer end once it is released", async () => {
    const writer = world.program("test/fixtures/end-to-end/writer.ts", [world.broker.tcpUrl, world.namespace], "bun");
    const [, reference = "", text = ""] = await writer.waitFor(/reference (\S+) waybill (\S+)\./);
    const client = await world.client();
    const remote = client.open(text);
    expect([remote.memory, remote.device, remote.byteLength]).toEqual(["cpu", 0, 32]);
    const tensor = await remote.fetch();
    expect([tensor.shape, tensor.toNumbers()]).toEqual([[1, 4], [1.5, -2.5, 3.5, 2 ** 60]]);
    expect([...remote.waybill.reference].join("-")).toBe(reference);
    expect(writer.output).not.toContain("leases");
    await remote.release();
    expect(await writer.exited).toMatchObject({ code: 0 });
    expect(writer.output).toContain("leases 0 leaked 0.");
  });

  test("[DP3] is read by reference as it was written, whatever its dtype", async () => {
    await readEveryDtype(false, 1);
  });

  test("[DP4] is read from the message as it was written, whatever its dtype", async () => {
    await readEveryDtype(true, 2);
  });

  test("[L1] is freed by its lease when the process that used it was killed", async () => {
    const owner = await world.client();
    const { store } = await owner.serveTensors();
    const text = waybillToString(await store.put(Tensor.from("FP32", [1, 2, 3]), { leaseMs: 1_000 }));
    const args = [world.broker.tcpUrl, world.namespace, text];
    const holder = world.program("test/fixtures/end-to-end/holder.ts", args, "bun");
    await holder.waitFor(/holding/);
    expect(store.describe()).toMatchObject({ leases: 1, leakedLeases: 0 });
    await holder.kill("SIGKILL");
    await until("the lease is over", () => store.describe().leases === 0);
    expect(store.describe()).toMatchObject({ usedBytes: 0, leakedLeases: 1, leakedBytes: 12 });
  });

  test("[L4] is read whole beside many others, by the same connections, whatever the way", async () => {
    const client = await serving("patterns");
    const patterns = client.operator("patterns", { inline: false });
    const outputs = (await Promise.all([0, 20, 40].map((from) => patterns.infer({}, { parameters: { from, count: 20 } }))))
      .map((named) => Object.values(named) as RemoteTensor[]);
    for (const ways of [["http"], ["bus"], ["http"]] as const) {
      await Promise.all(outputs.flatMap((tensors, group) =>
        tensors.map(async ({ waybill }, i) => {
          const { bytes } = await client.open(waybill).fetch({ via: ways });
          expect(bytes.length).toBe(200_000 + i);
          expect(bytes.every((byte) => byte === group * 20 + i)).toBe(true);
        })
      ));
    }
  });
});

describe("a payload", () => {
  let client: Client;

  /** There and back, in the message and by reference. */
  async function echoed(value: TensorValue, ...inline: boolean[]): Promise<Tensor[]> {
    client = await serving("echo");
    await client.serveTensors();
    const answers: Tensor[] = [];
    for (const choice of inline) {
      const { y } = await client.operator("echo", { inline: choice }).infer({ y: value });
      answers.push(await (y as AnyTensor).fetch());
    }
    return answers;
  }

  test("[P1] of more than 1 MB arrives", async () => {
    const input = Uint8Array.from({ length: 1_300_000 }, (_, i) => i * 7);
    const [back] = await echoed(input, false);
    expect(Buffer.compare(back!.bytes, input)).toBe(0);
  });

  test("[P2] of more than 32 MB arrives", async () => {
    const input = Uint8Array.from({ length: 34_000_000 }, (_, i) => i * 7);
    const [back] = await echoed(input, false);
    expect(Buffer.compare(back!.bytes, input)).toBe(0);
  });

  test("[P3] of elements that end with NUL arrives with them", async () => {
    for (const back of await echoed(Tensor.from("BYTES", ["a\0", "\0\0", "", "b"]), true, false)) {
      expect((back as Tensor<"BYTES">).strings()).toEqual(["a\0", "\0\0", "", "b"]);
    }
  });

  test("[P4] of BF16 arrives", async () => {
    for (const back of await echoed(Tensor.from("BF16", [1.5, -2, 2 ** 100]), true, false)) {
      expect([back.dtype, back.toNumbers()]).toEqual(["BF16", [1.5, -2, 2 ** 100]]);
    }
  });

  test("[P5] of size zero arrives", async () => {
    for (const back of await echoed(new Tensor("FP32", [2, 0, 3], new Uint8Array(0)), true, false)) {
      expect([back.dtype, back.shape, back.byteLength]).toEqual(["FP32", [2, 0, 3], 0]);
    }
  });

  test("[P6] that is a scalar arrives", async () => {
    for (const back of await echoed(Tensor.from("FP64", 2.5), true, false)) {
      expect([back.shape, back.toNumbers()]).toEqual([[], [2.5]]);
    }
  });

  test("[P7] that is a part of a larger array arrives alone", async () => {
    const whole = Float64Array.from({ length: 1_000 }, (_, i) => i);
    for (const back of await echoed(whole.subarray(101, 104), true, false)) {
      expect(back.toNumbers()).toEqual([101, 102, 103]);
    }
    const unaligned = new Tensor("INT32", [2], new Uint8Array([9, 1, 0, 0, 0, 2, 0, 0, 0, 9]).subarray(1, 9));
    for (const back of await echoed(unaligned, true, false)) expect(back.toNumbers()).toEqual([1, 2]);
  });

  test("[P9] of integers beyond 2^53 stays exact", async () => {
    const values = [2n ** 53n + 1n, 2n ** 64n - 1n, 0n];
    for (const back of await echoed(Tensor.from("UINT64", values), true, false)) {
      expect([...(back as Tensor<"UINT64">).data]).toEqual(values);
    }
  });
});
