import { clone, create, type DescMessage, fromJson, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  type InstanceRecord,
  InstanceRecordSchema,
  type OperatorDeclaration,
  OperatorDeclarationSchema,
} from "../../gen/waybill/v1/discovery_pb.ts";
import { fault } from "../rpc/error.ts";
import { isId } from "../rpc/ids.ts";
import { escapeName } from "../rpc/names.ts";
import { compareVersions, highestVersion } from "./versions.ts";

/** First token of the keys of declarations. */
export const DECLARATIONS = "decl";
/** First token of the keys of instances. */
export const INSTANCES = "inst";
/** The lease of an instance that names none. */
export const DEFAULT_LEASE_MS = 10_000;

const encoder = new TextEncoder();

/** Where an operator's declaration is kept. */
export function declarationKey(name: string): string {
  return `${DECLARATIONS}.${escapeName(name)}`;
}

/**
 * Where an instance's record is kept.
 *
 * @throws {ConnectError} `invalid_argument` when it is no id
 */
export function instanceKey(id: string): string {
  if (!isId(id)) {
    throw fault(
      `Cannot use ${JSON.stringify(String(id).slice(0, 80))} as an instance: it wants 1 to 64 letters, digits, "_" or "-"`,
      Code.InvalidArgument,
    );
  }
  return `${INSTANCES}.${id}`;
}

/** A record as it is stored: protobuf's JSON, so that `nats kv get` shows it. */
export function encodeRecord<T extends DescMessage>(schema: T, record: MessageShape<T>): Uint8Array {
  return encoder.encode(JSON.stringify(toJson(schema, record)));
}

/**
 * Reads a declaration out of its text. Fields of later releases are ignored.
 *
 * @throws {Error} when it is none, or another key's
 */
export function decodeDeclaration(key: string, text: string): OperatorDeclaration {
  const declaration = parse(OperatorDeclarationSchema, text);
  if (declarationKey(declaration.name) !== key) {
    throw new Error(`It names another operator: ${JSON.stringify(declaration.name)}`);
  }
  return declaration;
}

/**
 * Reads an instance's record out of its text. Fields of later releases are ignored.
 *
 * @throws {Error} when it is none, or another key's
 */
export function decodeInstance(key: string, text: string): InstanceRecord {
  const record = parse(InstanceRecordSchema, text);
  if (instanceKey(record.instance) !== key) throw new Error(`It names another instance: ${JSON.stringify(record.instance)}`);
  record.leaseMs ||= DEFAULT_LEASE_MS;
  return record;
}

function parse<T extends DescMessage>(schema: T, text: string): MessageShape<T> {
  return fromJson(schema, JSON.parse(text) as JsonValue, { ignoreUnknownFields: true });
}

/**
 * What is stored when an operator is declared once more.
 *
 * @throws {ConnectError} `invalid_argument` for a declaration without name or versions
 */
export function mergeDeclarations(stored: OperatorDeclaration | undefined, added: OperatorDeclaration): OperatorDeclaration {
  if (added.name === "" || added.versions.length === 0 || added.versions.includes("")) {
    throw fault(
      `Cannot declare an operator: it wants a name and at least one version, got ${JSON.stringify(added.name)} with ${
        JSON.stringify(added.versions)
      }`,
      Code.InvalidArgument,
    );
  }
  const base = stored ?? create(OperatorDeclarationSchema, { name: added.name });
  const versions = [...new Set([...base.versions, ...added.versions])].sort(compareVersions);
  const merged = clone(OperatorDeclarationSchema, base);
  return Object.assign(merged, {
    versions,
    defaultVersion: highestVersion(versions),
    maxAttempts: added.maxAttempts || base.maxAttempts,
    priorities: added.priorities || base.priorities,
    storage: added.storage || base.storage,
    maxQueuedMessages: added.maxQueuedMessages || base.maxQueuedMessages,
    maxQueuedBytes: added.maxQueuedBytes || base.maxQueuedBytes,
    maxQueuedAgeMs: added.maxQueuedAgeMs || base.maxQueuedAgeMs,
    ackWaitMs: added.ackWaitMs || base.ackWaitMs,
  });
}

/** What remains of a declaration without one of its versions; `undefined` when it has no such version, or no other. */
export function withoutVersion(stored: OperatorDeclaration, version: string): OperatorDeclaration | undefined {
  const versions = stored.versions.filter((one) => one !== version);
  if (versions.length === 0 || versions.length === stored.versions.length) return undefined;
  return Object.assign(clone(OperatorDeclarationSchema, stored), { versions, defaultVersion: highestVersion(versions) });
}
