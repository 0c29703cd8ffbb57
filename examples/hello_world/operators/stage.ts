import { type InferParameters, type OperatorContext, Tensor } from "../../../mod.ts";
import { Instances } from "./instances.ts";
import { loadOf, type StageSettings } from "./settings.ts";

/** The tensors of the hello world: numbers in one row, as many as there are. */
export const VECTOR = { dtype: "INT64", shape: [-1] } as const;

/** Makes the output's elements of the input's. */
export type Transform = (input: BigInt64Array, copies: number) => BigInt64Array<ArrayBuffer>;

/** What the encoder and the decoder share: turns for the instances, the load of each request, and the delay for each element. */
export class Stage {
  readonly #settings: StageSettings;
  readonly #transform: Transform;
  readonly #turns: Instances;

  constructor(settings: StageSettings, transform: Transform) {
    this.#settings = settings;
    this.#transform = transform;
    this.#turns = new Instances(settings.instances ?? 1);
  }

  /** Does one request's work. The number of copies that it used goes with the answer as a parameter. */
  async run(
    input: Tensor<"INT64">,
    parameters: Readonly<InferParameters>,
    { signal, responseParameters }: OperatorContext,
  ): Promise<{ output: Tensor<"INT64">; copies: number }> {
    const { delay, copies } = loadOf(this.#settings, parameters);
    const output = await this.#turns.run(async () => {
      const made = this.#transform(input.data, copies);
      const delayMs = 1000 * delay * made.length;
      if (delayMs > 0) await pause(delayMs, signal);
      return made;
    }, signal);
    responseParameters.input_copies = copies;
    return { output: Tensor.from(output), copies };
  }
}

/** Waits, unless the caller gives up. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}
