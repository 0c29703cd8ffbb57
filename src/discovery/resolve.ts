import type { InstanceRecord, ServedOperator } from "../../gen/waybill/v1/discovery_pb.ts";
import { compareVersions } from "./versions.ts";

/** What an instance says about an operator; without a version, about the highest it serves. `undefined` if it serves none. */
export function servedOperator(instance: InstanceRecord, operator: string, version?: string): ServedOperator | undefined {
  const served = instance.operators.filter((one) =>
    one.name === operator && (version === undefined || one.version === version)
  );
  return served.sort((a, b) => compareVersions(a.version, b.version)).at(-1);
}

/**
 * The instances that take new requests for an operator: they serve it and are not draining.
 *
 * @param version by default any; a caller that means the default version passes the declaration's
 */
export function servingInstances(instances: Iterable<InstanceRecord>, operator: string, version?: string): InstanceRecord[] {
  return [...instances].filter((one) => !one.draining && servedOperator(one, operator, version) !== undefined);
}

/** How to choose. */
export interface PickOptions {
  /** Gives a number from 0 to below 1. Default `Math.random`. */
  random?: () => number;
}

/** One of the instances that take new requests for an operator, by chance; `undefined` when there is none. */
export function pickInstance(
  instances: Iterable<InstanceRecord>,
  operator: string,
  version?: string,
  options?: PickOptions,
): InstanceRecord | undefined {
  return pick(servingInstances(instances, operator, version), options);
}

/** The nodes that take uploads, each once: they have a store, say how to reach it, and are not draining. */
export function uploadNodes(instances: Iterable<InstanceRecord>): InstanceRecord[] {
  const nodes = new Map<string, InstanceRecord>();
  for (const instance of instances) {
    const { node, ways, draining } = instance;
    if (node !== "" && ways.length > 0 && !draining && !nodes.has(node)) nodes.set(node, instance);
  }
  return [...nodes.values()];
}

/** A node that takes uploads, by chance; `undefined` when there is none. The record's `node` and `ways` say where it is. */
export function pickUploadNode(instances: Iterable<InstanceRecord>, options?: PickOptions): InstanceRecord | undefined {
  return pick(uploadNodes(instances), options);
}

function pick<T>(candidates: readonly T[], { random = Math.random }: PickOptions = {}): T | undefined {
  return candidates[Math.floor(random() * candidates.length)];
}
