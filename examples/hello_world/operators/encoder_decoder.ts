import { type AnyTensor, type InferInputs, isRemoteTensor, type Operator, operator } from "../../../mod.ts";
import { VECTOR } from "./stage.ts";

/** What the encoder answers. */
type Encoded = Readonly<Record<"output" | "input_copies", AnyTensor<"INT64">>>;
/** What the decoder answers. */
type Decoded = Readonly<Record<"output", AnyTensor<"INT64">>>;

/**
 * Calls the encoder, then the decoder with what the encoder answered. Tensors that came by reference stay where they are: what is
 * handed on is the encoder's waybill, and what is answered is the decoder's. The number of copies is the only tensor read here.
 */
export function encoderDecoder(settings: { readonly maxInflight?: number } = {}): Operator {
  return operator({
    name: "encoder_decoder",
    inputs: { input: VECTOR },
    outputs: { output: VECTOR },
    maxInflight: settings.maxInflight ?? 1,
    idempotent: true,
    fetchInputs: false,
    async execute({ inputs: { input }, id }, context) {
      context.logger.debug("got request!", { id });
      // As the input came, so the rest travels; but eight bytes of copies are not worth a trip of their own.
      const inline = { output: isRemoteTensor(input) ? false : "auto", input_copies: true } as const;
      const encoded = await context.call<InferInputs, Encoded>("encoder", { inline }).infer({ input });
      const [copies = 1n] = (await encoded.input_copies.fetch()).data;
      const call = context.call<InferInputs, Decoded>("decoder", { inline, parameters: { input_copies: copies } });
      const decoded = await call.infer({ input: encoded.output });
      return { output: decoded.output };
    },
  });
}
