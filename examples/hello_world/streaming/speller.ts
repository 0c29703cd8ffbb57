import { type Operator, operator, Tensor } from "../../../mod.ts";

/** Time between two pieces, unless the request says otherwise. */
const PIECE_DELAY_MS = 50;

/** Answers a text word by word, as a language model would: each word is an answer of its own, sent when it is there. */
export function speller(): Operator {
  return operator({
    name: "speller",
    inputs: { text: { dtype: "BYTES", shape: [1] } },
    outputs: { piece: { dtype: "BYTES", shape: [1] }, index: { dtype: "INT32", shape: [1] } },
    // One at a time: the next client goes to the next worker that is free.
    maxInflight: 1,
    async *execute({ inputs: { text }, parameters }, { signal }) {
      const delayMs = Number(parameters.delay_ms ?? PIECE_DELAY_MS);
      const pieces = (text.strings()[0] ?? "").match(/\S+\s*/g) ?? [];
      for (const [index, piece] of pieces.entries()) {
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
        if (signal.aborted) return;
        yield { piece: Tensor.from("BYTES", [piece]), index: Tensor.from("INT32", [index]) };
      }
    },
  });
}
