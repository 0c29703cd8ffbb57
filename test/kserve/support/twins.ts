import { Code, ConnectError, Tensor } from "../../../mod.ts";
import { type Operator, operator } from "../../../src/worker/mod.ts";
import { clientHost, type ClientHostOptions, type ModelHost } from "../../../src/kserve/mod.ts";
import { type FakeDeployment, startFakeDeployment } from "../../../src/testing/mod.ts";

const vector = { dtype: "FP32", shape: [16] } as const;

function addSub(name: string, shape: readonly number[] = vector.shape) {
  const spec = { dtype: "FP32", shape } as const;
  return operator({
    name,
    inputs: { INPUT0: spec, INPUT1: spec },
    outputs: { OUTPUT0: spec, OUTPUT1: spec },
    execute: ({ inputs: { INPUT0: a, INPUT1: b } }) => ({
      OUTPUT0: Tensor.from(a.data.map((value, i) => value + b.data[i]!), a.shape),
      OUTPUT1: Tensor.from(a.data.map((value, i) => value - b.data[i]!), a.shape),
    }),
  });
}

const identityFp32 = operator({
  name: "identity_fp32",
  inputs: { INPUT0: { dtype: "FP32", shape: [-1] } },
  outputs: { OUTPUT0: { dtype: "FP32", shape: [-1] } },
  execute: ({ inputs }) => ({ OUTPUT0: inputs.INPUT0 }),
});

const identityBytes = operator({
  name: "identity_bytes",
  inputs: { INPUT0: { dtype: "BYTES", shape: [-1] } },
  outputs: { OUTPUT0: { dtype: "BYTES", shape: [-1] } },
  execute: ({ inputs }) => ({ OUTPUT0: inputs.INPUT0 }),
});

const raiser = operator({
  name: "raiser",
  inputs: { INPUT0: { dtype: "FP32", shape: [-1] } },
  outputs: { OUTPUT0: { dtype: "FP32", shape: [-1] } },
  execute: ({ inputs: { INPUT0 } }) => {
    const value = INPUT0.data[0]!;
    if (value > 0) throw new Error("boom in execute");
    throw new ConnectError("model says no", value < 0 ? Code.InvalidArgument : Code.Internal);
  },
});

const repeat = operator({
  name: "repeat",
  inputs: { IN: { dtype: "INT32", shape: [-1] } },
  outputs: { OUT: { dtype: "INT32", shape: [1] }, IDX: { dtype: "UINT32", shape: [1] } },
  execute: async function* ({ inputs: { IN } }) {
    for (const [i, value] of IN.data.entries()) yield { OUT: new Int32Array([value]), IDX: new Uint32Array([i]) };
  },
});

const textgen = operator({
  name: "textgen",
  inputs: { text_input: { dtype: "BYTES", shape: [1] }, stream: { dtype: "BOOL", shape: [1], optional: true } },
  outputs: { text_output: { dtype: "BYTES", shape: [1] } },
  execute: async function* ({ inputs: { text_input, stream } }) {
    const words = text_input.strings()[0]!.split(/\s+/);
    for (const text of stream?.data[0] ? words : [words.join(" ")]) yield { text_output: Tensor.from("BYTES", [text]) };
  },
});

/** Twins of the models that were recorded, as far as operators can be theirs. */
export const twins: readonly Operator[] = [
  addSub("add_sub"),
  addSub("add_sub_batch", [-1, 16]),
  addSub("add_sub_cached"),
  identityFp32,
  identityBytes,
  raiser,
  repeat,
  textgen,
];

/** What of the twins discovery does not tell. */
export const twinOptions: ClientHostOptions = {
  name: "triton",
  version: "2.51.0",
  models: {
    ...Object.fromEntries(twins.map(({ name }) => [name, { platform: "python" }])),
    add_sub_batch: { platform: "python", maxBatchSize: 8 },
  },
};

/** The twins, served; `broken` is declared and served by nobody. */
export async function startTwins(): Promise<{ deployment: FakeDeployment; host: ModelHost }> {
  const deployment = await startFakeDeployment({ operators: twins });
  await deployment.client.declare("broken");
  return { deployment, host: clientHost(deployment.client, twinOptions) };
}
