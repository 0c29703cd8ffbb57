import { create } from "@bufbuild/protobuf";
import { DataType, type ModelConfig, ModelConfigSchema } from "../../../gen/inference/model_config_pb.ts";
import type { DType } from "../../tensor/mod.ts";
import type { ModelFacts, TensorFacts } from "../host.ts";

const TYPES: Readonly<Record<DType, DataType>> = {
  BOOL: DataType.TYPE_BOOL,
  UINT8: DataType.TYPE_UINT8,
  UINT16: DataType.TYPE_UINT16,
  UINT32: DataType.TYPE_UINT32,
  UINT64: DataType.TYPE_UINT64,
  INT8: DataType.TYPE_INT8,
  INT16: DataType.TYPE_INT16,
  INT32: DataType.TYPE_INT32,
  INT64: DataType.TYPE_INT64,
  FP16: DataType.TYPE_FP16,
  BF16: DataType.TYPE_BF16,
  FP32: DataType.TYPE_FP32,
  FP64: DataType.TYPE_FP64,
  BYTES: DataType.TYPE_STRING,
};

/** What is known of a model, as the model configuration extension has it. */
export function configOf(facts: ModelFacts, instances: number): ModelConfig {
  const tensors = (list: readonly TensorFacts[] = []) =>
    list.map(({ name, dtype, dims }) => ({ name, dataType: TYPES[dtype], dims: dims.map(BigInt) }));
  const optional = new Set((facts.inputs ?? []).filter((input) => input.optional).map(({ name }) => name));
  return create(ModelConfigSchema, {
    name: facts.name,
    backend: facts.platform,
    versionPolicy: { policyChoice: { case: "all", value: {} } },
    maxBatchSize: facts.maxBatchSize,
    input: tensors(facts.inputs).map((input) => ({ ...input, optional: optional.has(input.name) })),
    output: tensors(facts.outputs),
    instanceGroup: [{ name: facts.name, kind: 0, count: instances }],
    modelTransactionPolicy: facts.decoupled ? { decoupled: true } : undefined,
  });
}
