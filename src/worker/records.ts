import { create } from "@bufbuild/protobuf";
import {
  type InstanceRecord,
  InstanceRecordSchema,
  type OperatorDeclaration,
  OperatorDeclarationSchema,
  type TensorSpec as WireTensorSpec,
} from "../../gen/waybill/v1/discovery_pb.ts";
import type { Way as WireWay } from "../../gen/waybill/v1/tensor_pb.ts";
import { isStandardSchema, type TensorSchema } from "../client/schema.ts";
import { type Way, wayToWire } from "../waybill/mod.ts";
import type { Operator } from "./operator.ts";

/**
 * An operator as its queue is declared.
 *
 * @param ackWaitMs what the worker says where the operator does not
 */
export function declarationOf(operator: Operator, ackWaitMs: number): OperatorDeclaration {
  return create(OperatorDeclarationSchema, {
    name: operator.name,
    versions: [operator.version],
    defaultVersion: operator.version,
    maxAttempts: operator.maxAttempts,
    priorities: operator.priorities,
    storage: operator.storage,
    maxQueuedMessages: BigInt(operator.maxQueuedMessages),
    maxQueuedBytes: BigInt(operator.maxQueuedBytes),
    maxQueuedAgeMs: BigInt(operator.maxQueuedAgeMs),
    ackWaitMs: operator.ackWaitMs ?? ackWaitMs,
  });
}

/** What a worker says of itself. */
export interface WorkerFacts {
  readonly instance: string;
  readonly name: string;
  readonly runtime: string;
  readonly host: string;
  readonly pid: number;
  readonly operators: readonly Operator[];
  /** Who owns what it puts. */
  readonly node: string;
  /** Ways to reach that. */
  readonly ways: WireWay[];
}

/** The fields of a record that say who owns a worker's tensors. */
export type NodeFacts = Pick<InstanceRecord, "node" | "ways">;

/** A node as discovery lists it: the worker's own store, or its sidecar. */
export function nodeFacts({ node, ways }: { readonly node: string; readonly ways: readonly Way[] }): NodeFacts {
  return { node, ways: ways.map(wayToWire) };
}

/** A worker as discovery lists it. */
export function recordOf({ operators, ...facts }: WorkerFacts): InstanceRecord {
  return create(InstanceRecordSchema, {
    ...facts,
    startedAtMs: BigInt(Date.now()),
    operators: operators.map(({ name, version, maxInflight, inputs, outputs, idempotent, streaming }) => ({
      name,
      version,
      maxInflight,
      inputs: specsToWire(inputs),
      outputs: specsToWire(outputs),
      idempotent,
      streaming,
    })),
  });
}

/** Only specs can be told to others: a Standard Schema is code. */
function specsToWire(schema: TensorSchema | undefined): Omit<WireTensorSpec, "$typeName">[] {
  if (schema === undefined || isStandardSchema(schema)) return [];
  return Object.entries(schema).map(([name, { dtype, shape, optional = false }]) => ({
    name,
    dtype,
    shape: shape.map(BigInt),
    optional,
  }));
}
