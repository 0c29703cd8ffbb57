import type { ModelFacts, TensorFacts } from "./host.ts";
import { fullShape } from "./check-request.ts";

/** A tensor as metadata has it. */
export interface TensorMetadata {
  /** What it is called. */
  readonly name: string;
  /** By the protocol's name. */
  readonly datatype: string;
  /** The batch dimension included; -1 is any size. */
  readonly shape: readonly number[];
}

/** What a model takes or gives, with the batch dimension. */
export function tensorMetadata(facts: ModelFacts, tensors: readonly TensorFacts[] | undefined): TensorMetadata[] {
  return (tensors ?? []).map((tensor) => ({ name: tensor.name, datatype: tensor.dtype, shape: fullShape(facts, tensor) }));
}

/** The versions that an answer about a model names: the one that was asked for, else all. */
export function versionsShown(facts: ModelFacts, version: string): readonly string[] {
  return version === "" ? facts.versions : [facts.version];
}
