import { Tensor } from "../../../mod.ts";
import type { OperatorName } from "../operators/mod.ts";

/** How large requests are. */
export interface InputSizes {
  /** Elements, on average. */
  readonly mean: number;
  /** Standard deviation of the number of elements; 0 makes all alike. */
  readonly stdev: number;
}

/** Random numbers from 0 to 99, as many as the sizes say. */
export function randomInput({ mean, stdev }: InputSizes): Tensor<"INT64"> {
  const length = stdev === 0 ? mean : Math.max(0, Math.round(mean + stdev * randomNormal()));
  const elements = new BigInt64Array(length);
  // The low words are the numbers; bigints would take longer to make than the request to answer.
  const words = new Int32Array(elements.buffer);
  for (let index = 0; index < words.length; index += 2) words[index] = Math.floor(Math.random() * 100);
  return Tensor.from(elements);
}

/** From a normal distribution around 0 with standard deviation 1. */
function randomNormal(): number {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

/**
 * What is wrong with an operator's output; `undefined` when nothing is. Each operator is held to what it alone does: the encoder
 * inverts copies, the decoder inverts one of them, and both together give back what they got.
 *
 * @param copies how many the operator says that it made, or undid
 */
export function faultOf(
  operator: OperatorName,
  input: Tensor<"INT64">,
  output: Tensor<"INT64">,
  copies: number,
): string | undefined {
  const wanted =
    { encoder: input.size * copies, decoder: Math.ceil(input.size / copies), encoder_decoder: input.size }[operator];
  if (output.size !== wanted) return `output must have ${wanted} elements, got ${output.size}`;
  const invert = operator === "encoder_decoder" ? 0 : -1;
  const from = wordsOf(input);
  const to = wordsOf(output);
  for (let index = 0, at = 0; index < to.length; index++, at = at + 1 === from.length ? 0 : at + 1) {
    if ((from[at]! ^ invert) === to[index]) continue;
    const element = index >> 1;
    const value = input.data[element % input.size]!;
    return `output[${element}] must be ${invert === 0 ? value : ~value}, got ${output.data[element]}`;
  }
  return undefined;
}

function wordsOf({ data }: Tensor<"INT64">): Int32Array {
  return new Int32Array(data.buffer, data.byteOffset, 2 * data.length);
}
