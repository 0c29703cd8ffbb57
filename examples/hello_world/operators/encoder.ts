import { type Operator, operator, Tensor } from "../../../mod.ts";
import type { StageSettings } from "./settings.ts";
import { Stage, VECTOR } from "./stage.ts";

/**
 * Repeats the whole input `input_copies` times end to end (a b c a b c) and inverts every bit; answers the number of copies too, for
 * the decoder.
 */
export function encoder(settings: StageSettings = {}): Operator {
  const stage = new Stage(settings, encode);
  return operator({
    name: "encoder",
    inputs: { input: VECTOR },
    outputs: { output: VECTOR, input_copies: { dtype: "INT64", shape: [1] } },
    maxInflight: settings.maxInflight ?? 1,
    idempotent: true,
    async execute({ inputs: { input }, parameters }, context) {
      const { output, copies } = await stage.run(input, parameters, context);
      return { output, input_copies: Tensor.from("INT64", [BigInt(copies)]) };
    },
  });
}

/** The encoder's work on plain numbers. */
export function encode(input: BigInt64Array, copies: number): BigInt64Array<ArrayBuffer> {
  const output = new BigInt64Array(input.length * copies);
  invert(input, output);
  for (let at = input.length; at < output.length; at += input.length) output.copyWithin(at, 0, input.length);
  return output;
}

/** Writes every element with its bits inverted to the start of `output`. */
export function invert(input: BigInt64Array, output: BigInt64Array): void {
  // As 32-bit words: inverting bits is the same there, and numbers are many times faster than bigints.
  const from = new Int32Array(input.buffer, input.byteOffset, 2 * input.length);
  const to = new Int32Array(output.buffer, output.byteOffset, 2 * output.length);
  for (let index = 0; index < from.length; index++) to[index] = ~from[index]!;
}
