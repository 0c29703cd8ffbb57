/**
 * Waybill: call operators on GPU nodes from any JavaScript runtime, and keep the data where it is.
 *
 * A client sends a request over NATS; the answer is the tensor itself, when it is small, or a waybill: a signed descriptor that
 * says where the tensor lives, to read or to hand to the next operator.
 *
 * - {@linkcode connect} gives a {@linkcode Client}: it finds operators, calls them, and reads and keeps tensors.
 * - {@linkcode OperatorHandle} calls one operator: `infer` for one answer, `stream` for many, `post` for none.
 * - {@linkcode Tensor} has its bytes here; {@linkcode RemoteTensor} has them elsewhere, behind a {@linkcode Waybill}.
 * - {@linkcode operator} defines an operator; `waybill/worker` serves it, `waybill/testing` tests it.
 * - Every failure is a {@linkcode ConnectError} with a {@linkcode Code}; {@linkcode errorDetail} says what a program may act on.
 *
 * It uses web APIs alone and runs in browsers, Cloudflare Workers, Deno, Bun and Node.
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
export { clientOf, connect } from "./src/client/connect.ts";
export { infoOf } from "./src/client/response.ts";
export { DEFAULT_NAMESPACE, DEFAULT_TCP_URL, DEFAULT_WS_URL } from "./src/bus/defaults.ts";
export { isRemoteTensor, RemoteTensor } from "./src/data/remote-tensor.ts";
export { errorDetail } from "./src/rpc/error.ts";
export { isTensor, Tensor } from "./src/tensor/mod.ts";
export { Waybill } from "./src/waybill/mod.ts";
export { operator } from "./src/worker/operator.ts";
export { Code, ConnectError } from "@connectrpc/connect";

// Clients and calls.
export type { Client, ClientOptions, DeclareOptions, OperatorInfo } from "./src/client/client.ts";
export type { ConnectOptions } from "./src/client/connect.ts";
export type { CallOptions, HandleOptions, OperatorHandle } from "./src/client/operator-handle.ts";
export type { Inline, InlineChoice } from "./src/client/placement.ts";
export type { ResponseInfo } from "./src/client/response.ts";
export type { TensorSchema } from "./src/client/schema.ts";
export type { ServedTensors, ServeTensorsOptions } from "./src/client/serve-tensors.ts";
export type { AnyTensor, InferInputs, InferOutputs, TensorValue } from "./src/client/values.ts";
export type { ErrorDetail } from "./src/rpc/error.ts";
export type { DispatchMode } from "./src/rpc/route.ts";
export type { Interceptor } from "@connectrpc/connect";
export type { StandardSchemaV1 } from "@standard-schema/spec";

// Tensors, here and elsewhere.
export type {
  DType,
  DTypeOf,
  DTypeViews,
  Float16View,
  InferParameters,
  ParameterValue,
  TensorElement,
  TensorJson,
  TensorJsonElement,
  TensorSource,
  TensorSpec,
  TensorSpecs,
  TypedArray,
  ViewDTypes,
} from "./src/tensor/mod.ts";
export type {
  AnyWay,
  CallOptions as TensorCallOptions,
  FetchOptions,
  LocalWay,
  PutTensorOptions,
  WayKind,
} from "./src/data/mod.ts";
export type {
  BusWay,
  HttpWay,
  Memory,
  RedactedWaybill,
  Right,
  SharedMemoryWay,
  UcxWay,
  Way,
  WaybillInit,
} from "./src/waybill/mod.ts";
export type { DescMessage, JsonObject, JsonValue, MessageShape } from "@bufbuild/protobuf";

// Operators.
export type {
  Answer,
  BatchOperatorOptions,
  ExecuteResult,
  Operator,
  OperatorCommon,
  OperatorOptions,
  OperatorRequest,
  OutputsOf,
  RemoteWhere,
  TensorOf,
  TensorsOf,
} from "./src/worker/operator.ts";
export type { Delegation, OperatorContext } from "./src/worker/context.ts";
export type { DelegateOptions } from "./src/worker/delegate.ts";

// Events.
export type { EventSubscription } from "./src/events/subscription.ts";
export type { Events } from "./src/events/events.ts";
export type { PayloadSchema } from "./src/events/payload.ts";
export type { PublishOptions, SubscribeOptions } from "./src/events/options.ts";
export type { Topic } from "./src/events/topic.ts";
export type { WaybillEvent } from "./src/events/event.ts";

// Connections.
export type {
  Bus,
  BusHeaders,
  BusMessage,
  BusOptions,
  BusRequestOptions,
  BusStatus,
  BusSubscription,
  BusTlsOptions,
  Logger,
  NatsConnectionLike,
  NatsHeadersLike,
  NatsInfoLike,
  NatsMessageLike,
  NatsStatusLike,
  NatsSubscriptionLike,
  Refreshed,
  WebSocketFactory,
  WebSocketLike,
} from "./src/bus/mod.ts";
