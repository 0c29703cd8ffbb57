/**
 * KServe's inference messages to and from protobuf's wire format, without reflection: a request is read and written four times
 * on its way, and general code takes some microseconds each time. What is rare (typed contents, requested outputs, fields of
 * newer versions) is left to the general code, so that every message is understood. The encoding is specified at
 * https://protobuf.dev/programming-guides/encoding.
 *
 * @module
 */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  type InferParameter,
  type ModelInferRequest,
  ModelInferRequestSchema,
  type ModelInferResponse,
  ModelInferResponseSchema,
} from "../../gen/inference/grpc_service_pb.ts";
import { WireReader, WireWriter } from "./wire.ts";

/** A message's own way to and from bytes. */
export interface WireCodec<T> {
  encode(message: T): Uint8Array;
  decode(bytes: Uint8Array): T;
}

type InferMessage = ModelInferRequest | ModelInferResponse;
type WireTensor = ModelInferRequest["inputs"][number] | ModelInferResponse["outputs"][number];
type TensorTypeName = WireTensor["$typeName"];

/** `inference.ModelInferRequest`. */
export const inferRequestCodec: WireCodec<ModelInferRequest> = {
  encode(message) {
    const { outputs, inputs } = message;
    if (outputs.length > 0 || isRare(message, inputs)) return toBinary(ModelInferRequestSchema, message);
    return encode(message, inputs, message.rawInputContents, 7);
  },
  decode(bytes) {
    const inputs: ModelInferRequest["inputs"] = [];
    const head = decode(bytes, inputs, "inference.ModelInferRequest.InferInputTensor", 7);
    if (head === undefined) return general(ModelInferRequestSchema, bytes);
    const { modelName, modelVersion, id, parameters, raw } = head;
    const $typeName = "inference.ModelInferRequest";
    return { $typeName, modelName, modelVersion, id, parameters, inputs, outputs: [], rawInputContents: raw };
  },
};

/** `inference.ModelInferResponse`. */
export const inferResponseCodec: WireCodec<ModelInferResponse> = {
  encode(message) {
    if (isRare(message, message.outputs)) return toBinary(ModelInferResponseSchema, message);
    return encode(message, message.outputs, message.rawOutputContents, 6);
  },
  decode(bytes) {
    const outputs: ModelInferResponse["outputs"] = [];
    const head = decode(bytes, outputs, "inference.ModelInferResponse.InferOutputTensor", 6);
    if (head === undefined) return general(ModelInferResponseSchema, bytes);
    const { modelName, modelVersion, id, parameters, raw } = head;
    const $typeName = "inference.ModelInferResponse";
    return { $typeName, modelName, modelVersion, id, parameters, outputs, rawOutputContents: raw };
  },
};

/** Both codecs by type name, for whoever carries these messages. */
export const inferCodecs: ReadonlyMap<string, WireCodec<unknown>> = new Map<string, WireCodec<unknown>>([
  [ModelInferRequestSchema.typeName, inferRequestCodec as WireCodec<unknown>],
  [ModelInferResponseSchema.typeName, inferResponseCodec as WireCodec<unknown>],
]);

function general<T extends DescMessage>(type: T, bytes: Uint8Array): MessageShape<T> {
  return fromBinary(type, bytes);
}

function isRare(message: InferMessage, tensors: readonly WireTensor[]): boolean {
  return message.$unknown !== undefined || tensors.some(({ contents, $unknown }) => (contents ?? $unknown) !== undefined);
}

function encode(
  message: InferMessage,
  tensors: readonly WireTensor[],
  raw: readonly Uint8Array[],
  rawField: number,
): Uint8Array {
  const writer = new WireWriter(sizeBound(message, tensors, raw));
  writer.text(1, message.modelName);
  writer.text(2, message.modelVersion);
  writer.text(3, message.id);
  writeParameters(writer, message.parameters);
  for (const tensor of tensors) {
    const end = writer.open(5);
    writer.text(1, tensor.name);
    writer.text(2, tensor.datatype);
    if (tensor.shape.length > 0) {
      const packed = writer.open(3);
      for (const dim of tensor.shape) writer.int64(dim);
      writer.close(packed);
    }
    writeParameters(writer, tensor.parameters);
    writer.close(end);
  }
  for (const bytes of raw) writer.bytes(rawField, bytes);
  return writer.finish();
}

/** More than it can take: text of three bytes a character, five of each length, ten of each number. */
function sizeBound(message: InferMessage, tensors: readonly WireTensor[], raw: readonly Uint8Array[]): number {
  let bound = 32 + 3 * (message.modelName.length + message.modelVersion.length + message.id.length);
  bound += parametersBound(message.parameters);
  for (const { name, datatype, shape, parameters } of tensors) {
    bound += 32 + 3 * (name.length + datatype.length) + 10 * shape.length + parametersBound(parameters);
  }
  for (const { length } of raw) bound += 8 + length;
  return bound;
}

function parametersBound(parameters: Record<string, InferParameter>): number {
  let bound = 0;
  for (const name in parameters) {
    const { parameterChoice } = parameters[name]!;
    bound += 40 + 3 * name.length + (parameterChoice.case === "stringParam" ? 3 * parameterChoice.value.length : 0);
  }
  return bound;
}

function writeParameters(writer: WireWriter, parameters: Record<string, InferParameter>): void {
  for (const name in parameters) {
    const entry = writer.open(4);
    writer.text(1, name);
    const value = writer.open(2);
    const { parameterChoice: choice } = parameters[name]!;
    // A member of a oneof is written even where it is its type's default.
    if (choice.case === "boolParam") writer.bool(1, choice.value);
    else if (choice.case === "int64Param") writer.int64Field(2, choice.value);
    else if (choice.case === "stringParam") writer.textAlways(3, choice.value);
    else if (choice.case === "doubleParam") writer.double(4, choice.value);
    else if (choice.case === "uint64Param") writer.int64Field(5, choice.value);
    writer.close(value);
    writer.close(entry);
  }
}

interface Head {
  modelName: string;
  modelVersion: string;
  id: string;
  readonly parameters: Record<string, InferParameter>;
  readonly raw: Uint8Array[];
}

/** `undefined` for what only the general code knows, broken bytes included: it has the words for them. */
function decode(bytes: Uint8Array, tensors: WireTensor[], typeName: TensorTypeName, rawField: number): Head | undefined {
  const head: Head = { modelName: "", modelVersion: "", id: "", parameters: {}, raw: [] };
  const reader = new WireReader(bytes);
  while (reader.more) {
    if (!reader.next() || reader.wireType !== 2) return undefined;
    if (reader.field === 1) head.modelName = reader.text();
    else if (reader.field === 2) head.modelVersion = reader.text();
    else if (reader.field === 3) head.id = reader.text();
    else if (reader.field === 4) {
      if (!readParameter(reader, head.parameters)) return undefined;
    } else if (reader.field === 5) {
      const tensor = readTensor(reader, typeName);
      if (tensor === undefined) return undefined;
      tensors.push(tensor);
    } else if (reader.field === rawField) head.raw.push(reader.bytes());
    else return undefined;
    if (reader.failed) return undefined;
  }
  return head;
}

function readTensor(reader: WireReader, $typeName: TensorTypeName): WireTensor | undefined {
  let [name, datatype] = ["", ""];
  const shape: bigint[] = [];
  const parameters: Record<string, InferParameter> = {};
  const outer = reader.enter();
  while (reader.more) {
    if (!reader.next() || reader.wireType !== 2) return undefined;
    if (reader.field === 1) name = reader.text();
    else if (reader.field === 2) datatype = reader.text();
    else if (reader.field === 3) {
      const rest = reader.enter();
      while (reader.more) shape.push(reader.int64());
      reader.leave(rest);
    } else if (reader.field !== 4 || !readParameter(reader, parameters)) return undefined;
    if (reader.failed) return undefined;
  }
  reader.leave(outer);
  return { $typeName, name, datatype, shape, parameters } as WireTensor;
}

function readParameter(reader: WireReader, parameters: Record<string, InferParameter>): boolean {
  let name = "";
  let choice: InferParameter["parameterChoice"] = { case: undefined };
  const entry = reader.enter();
  while (reader.more) {
    if (!reader.next() || reader.wireType !== 2) return false;
    if (reader.field === 1) name = reader.text();
    else if (reader.field !== 2) return false;
    else {
      const read = readChoice(reader);
      if (read === undefined) return false;
      choice = read;
    }
    if (reader.failed) return false;
  }
  reader.leave(entry);
  // A plain assignment would set the prototype.
  if (name === "__proto__") return false;
  parameters[name] = { $typeName: "inference.InferParameter", parameterChoice: choice };
  return true;
}

function readChoice(reader: WireReader): InferParameter["parameterChoice"] | undefined {
  let choice: InferParameter["parameterChoice"] = { case: undefined };
  const outer = reader.enter();
  while (reader.more) {
    if (!reader.next()) return undefined;
    const { field, wireType } = reader;
    if (field === 1 && wireType === 0) choice = { case: "boolParam", value: reader.uint64() !== 0n };
    else if (field === 2 && wireType === 0) choice = { case: "int64Param", value: reader.int64() };
    else if (field === 3 && wireType === 2) choice = { case: "stringParam", value: reader.text() };
    else if (field === 4 && wireType === 1) choice = { case: "doubleParam", value: reader.double() };
    else if (field === 5 && wireType === 0) choice = { case: "uint64Param", value: reader.uint64() };
    else return undefined;
  }
  reader.leave(outer);
  return choice;
}
