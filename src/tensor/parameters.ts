/**
 * Users' parameters as KServe's `InferParameter`s.
 *
 * | JavaScript | on the wire | read back as |
 * | --- | --- | --- |
 * | boolean | bool | boolean |
 * | string | string | string |
 * | number, a safe integer | int64 | number |
 * | any other number, `-0` too | double | number |
 * | bigint below 2^63 | int64 | number where safe, else bigint |
 * | bigint from 2^63 on | uint64 | bigint |
 *
 * A round trip therefore gives back the same value, but for one thing: a bigint that is a safe integer comes back as a number,
 * since the wire cannot tell the two apart.
 *
 * @module
 */
import type { InferParameter } from "../../gen/inference/grpc_service_pb.ts";
import { invalidArgument, show } from "./errors.ts";

/** A value that a parameter can have. */
export type ParameterValue = string | number | bigint | boolean;

/** Parameters by name. */
export type InferParameters = Record<string, ParameterValue>;

/** Parameters as a message holds them. */
export type WireParameters = Record<string, InferParameter>;

/** KServe's own names, each with the option that sets it. */
const RESERVED: Readonly<Record<string, string>> = {
  sequence_id: "correlationId",
  sequence_start: "sequence.start",
  sequence_end: "sequence.end",
  priority: "priority",
  timeout: "timeoutMs",
};

const ACTION = "Cannot encode parameters";

/**
 * Whether a name belongs to the protocol: `waybill_…`, `triton_…`, `sequence_id`, `sequence_start`, `sequence_end`, `priority`
 * and `timeout`.
 */
export function isReservedParameter(name: string): boolean {
  return Object.hasOwn(RESERVED, name) || name.startsWith("waybill_") || name.startsWith("triton_");
}

function refuseReserved(name: string): void {
  if (!isReservedParameter(name)) return;
  const option = Object.hasOwn(RESERVED, name) ? RESERVED[name] : undefined;
  throw invalidArgument(
    option === undefined
      ? `${ACTION}: names must not start with "waybill_" or "triton_", which the protocol sets itself, got ${show(name)}`
      : `${ACTION}: ${show(name)} is set by the option ${option}, got it as a parameter`,
  );
}

/**
 * Encodes users' parameters.
 *
 * @throws {ConnectError} `invalid_argument` for a reserved name, a value of another type and a bigint beyond 64 bits
 */
export function encodeParameters(parameters: Readonly<InferParameters>): WireParameters {
  const wire: WireParameters = {};
  for (const name of Object.keys(parameters)) {
    refuseReserved(name);
    setOwn(wire, name, encodeParameter(name, parameters[name]!));
  }
  return wire;
}

/**
 * The users' part of a message's parameters; reserved ones are left out.
 *
 * @throws {ConnectError} `invalid_argument` for a parameter without a value
 */
export function decodeParameters(wire: Readonly<WireParameters>): InferParameters {
  const parameters: InferParameters = {};
  for (const name of Object.keys(wire)) {
    if (!isReservedParameter(name)) setOwn(parameters, name, decodeParameter(name, wire[name]!));
  }
  return parameters;
}

/**
 * Encodes one value; reserved names are allowed, so that the protocol's own parameters are written with it.
 *
 * @throws {ConnectError} `invalid_argument` for a value of another type and a bigint beyond 64 bits
 */
export function encodeParameter(name: string, value: ParameterValue): InferParameter {
  return { $typeName: "inference.InferParameter", parameterChoice: choose(name, value) };
}

/**
 * The value of one parameter.
 *
 * @throws {ConnectError} `invalid_argument` when it has none
 */
export function decodeParameter(name: string, wire: InferParameter): ParameterValue {
  const { parameterChoice } = wire;
  if (parameterChoice.case === undefined) {
    throw invalidArgument(`Cannot decode parameters: ${show(name)} must have a value, got none`);
  }
  if (typeof parameterChoice.value !== "bigint") return parameterChoice.value;
  const number = Number(parameterChoice.value);
  return Number.isSafeInteger(number) ? number : parameterChoice.value;
}

function choose(name: string, value: ParameterValue): InferParameter["parameterChoice"] {
  switch (typeof value) {
    case "boolean":
      return { case: "boolParam", value };
    case "string":
      if (value.isWellFormed()) return { case: "stringParam", value };
      throw invalidArgument(`${ACTION}: ${show(name)} must be well-formed Unicode, got a lone surrogate`);
    case "number":
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) return { case: "doubleParam", value };
      return { case: "int64Param", value: BigInt(value) };
    case "bigint":
      if (BigInt.asIntN(64, value) === value) return { case: "int64Param", value };
      if (BigInt.asUintN(64, value) === value) return { case: "uint64Param", value };
      throw invalidArgument(`${ACTION}: ${show(name)} must be from -2^63 to 2^64 - 1, got ${show(value)}`);
    default:
      throw invalidArgument(`${ACTION}: ${show(name)} must be a string, number, bigint or boolean, got ${show(value)}`);
  }
}

/** Sets a property whatever its name: assigning to `__proto__` would set the prototype instead. */
export function setOwn<T>(record: Record<string, T>, name: string, value: T): void {
  if (name !== "__proto__") record[name] = value;
  else Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
}
