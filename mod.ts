/**
 * Waybill: call operators on GPU nodes from any JavaScript runtime, and keep the data where it is.
 *
 * A client sends a request over NATS; the answer is the tensor itself, when it is small, or a waybill: a signed descriptor that
 * says where the tensor lives, to read or to hand to the next operator.
 *
 * @example
 * ```ts
 * import { connect, Tensor } from "waybill";
 *
 * const wb = await connect("ws://127.0.0.1:9222");
 * const { output } = await wb.operator("encoder").infer({ input: Tensor.from("INT64", [1n, 2n, 3n]) });
 * console.log((await output.fetch()).data);
 * await wb.close();
 * ```
 *
 * @module
 */
export { Client } from "./src/client/client.ts";
export { clientOf, clientOver, connect } from "./src/client/connect.ts";
export { OperatorHandle } from "./src/client/operator-handle.ts";
export { infoOf } from "./src/client/response.ts";
export { DEFAULT_NAMESPACE, DEFAULT_TCP_URL, DEFAULT_WS_URL } from "./src/bus/defaults.ts";
export { RemoteTensor } from "./src/data/remote-tensor.ts";
export { errorDetail } from "./src/rpc/error.ts";
export { Tensor } from "./src/tensor/mod.ts";
export { Waybill } from "./src/waybill/mod.ts";
export { operator } from "./src/worker/operator.ts";
export { Code, ConnectError } from "@connectrpc/connect";

export type { ClientOptions, DeclareOptions, OperatorInfo } from "./src/client/client.ts";
export type { ConnectOptions } from "./src/client/connect.ts";
export type { CallOptions, HandleOptions } from "./src/client/operator-handle.ts";
export type { Inline, InlineChoice } from "./src/client/placement.ts";
export type { ResponseInfo } from "./src/client/response.ts";
export type { TensorSchema } from "./src/client/schema.ts";
export type { ServedTensors, ServeTensorsOptions } from "./src/client/serve-tensors.ts";
export type { AnyTensor, InferInputs, InferOutputs, TensorValue } from "./src/client/values.ts";
export type { Logger } from "./src/bus/logger.ts";
export type { BusOptions, BusTlsOptions } from "./src/bus/options.ts";
export type { DispatchMode } from "./src/rpc/route.ts";
export type {
  DType,
  InferParameters,
  ParameterValue,
  TensorSource,
  TensorSpec,
  TensorSpecs,
  TypedArray,
} from "./src/tensor/mod.ts";
export type { BatchOperatorOptions, Operator, OperatorOptions, OperatorRequest } from "./src/worker/operator.ts";
export type { OperatorContext } from "./src/worker/context.ts";
