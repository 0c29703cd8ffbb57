/**
 * The operators of the hello world.
 *
 * @module
 */
import type { Operator } from "../../../mod.ts";
import { decoder } from "./decoder.ts";
import { encoder } from "./encoder.ts";
import { encoderDecoder } from "./encoder_decoder.ts";
import type { StageSettings } from "./settings.ts";

export { decode, decoder } from "./decoder.ts";
export { encode, encoder } from "./encoder.ts";
export { encoderDecoder } from "./encoder_decoder.ts";
export type { StageSettings } from "./settings.ts";

/** The names of the operators. */
export const OPERATORS = ["encoder", "decoder", "encoder_decoder"] as const;

/** The name of an operator of the hello world. */
export type OperatorName = (typeof OPERATORS)[number];

/** Makes an operator by its name. */
export function operatorOf(name: OperatorName, settings: StageSettings = {}): Operator {
  const make = { encoder, decoder, encoder_decoder: encoderDecoder }[name];
  return make(settings);
}
