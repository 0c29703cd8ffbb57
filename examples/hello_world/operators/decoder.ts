import { type Operator, operator } from "../../../mod.ts";
import { invert } from "./encoder.ts";
import type { StageSettings } from "./settings.ts";
import { Stage, VECTOR } from "./stage.ts";

/** Undoes what the encoder did with the same `input_copies`: inverts every bit and keeps one of the copies. */
export function decoder(settings: StageSettings = {}): Operator {
  const stage = new Stage(settings, decode);
  return operator({
    name: "decoder",
    inputs: { input: VECTOR },
    outputs: { output: VECTOR },
    maxInflight: settings.maxInflight ?? 1,
    idempotent: true,
    async execute({ inputs: { input }, parameters }, context) {
      return { output: (await stage.run(input, parameters, context)).output };
    },
  });
}

/**
 * The decoder's work on plain numbers. The copies lie end to end, so one of them is the first part of the input: every n-th element,
 * which the original keeps, would undo a repetition of each element instead. Of an input whose length is no multiple it keeps as
 * many as the original does: one for each started group of `copies` elements.
 */
export function decode(input: BigInt64Array, copies: number): BigInt64Array<ArrayBuffer> {
  const output = new BigInt64Array(Math.ceil(input.length / copies));
  invert(input.subarray(0, output.length), output);
  return output;
}
