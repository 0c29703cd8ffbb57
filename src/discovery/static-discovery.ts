import { clone } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import {
  type InstanceRecord,
  InstanceRecordSchema,
  type OperatorDeclaration,
  OperatorDeclarationSchema,
} from "../../gen/waybill/v1/discovery_pb.ts";
import { abortError, fault } from "../rpc/error.ts";
import type { Discovery, DiscoveryCallOptions, DiscoveryEvent, InstanceFilter, Registration, Watch } from "./discovery.ts";
import { servedOperator } from "./resolve.ts";

/** What a {@linkcode StaticDiscovery} knows. */
export interface StaticRecords {
  /** Instances, taken to be alive for ever. Default: none. */
  instances?: readonly InstanceRecord[];
  /** Declared operators. Default: none. */
  declarations?: readonly OperatorDeclaration[];
}

/** Discovery of what was written down beforehand. Nothing can be declared or registered: that is `failed_precondition`. */
export class StaticDiscovery implements Discovery {
  readonly #instances: readonly InstanceRecord[];
  readonly #declarations: readonly OperatorDeclaration[];

  constructor({ instances = [], declarations = [] }: StaticRecords) {
    this.#instances = instances.map((record) => clone(InstanceRecordSchema, record));
    this.#declarations = declarations.map((declaration) => clone(OperatorDeclarationSchema, declaration));
  }

  declare(declaration: OperatorDeclaration): Promise<OperatorDeclaration> {
    return Promise.reject(fixed(`declare "${declaration.name}"`));
  }

  undeclare(name: string): Promise<void> {
    return Promise.reject(fixed(`withdraw "${name}"`));
  }

  withdraw(name: string, version: string): Promise<OperatorDeclaration | undefined> {
    return Promise.reject(fixed(`withdraw version ${version} of "${name}"`));
  }

  register(record: InstanceRecord): Promise<Registration> {
    return Promise.reject(fixed(`register the instance "${record.instance}"`));
  }

  forget(instance: string): Promise<void> {
    return Promise.reject(fixed(`forget the instance "${instance}"`));
  }

  declaration(name: string): Promise<OperatorDeclaration | undefined> {
    return Promise.resolve(this.#declarations.find((declaration) => declaration.name === name));
  }

  declarations(): Promise<OperatorDeclaration[]> {
    return Promise.resolve([...this.#declarations]);
  }

  instances({ operator, version }: InstanceFilter = {}): Promise<InstanceRecord[]> {
    const serves = (one: InstanceRecord) => operator === undefined || servedOperator(one, operator, version) !== undefined;
    return Promise.resolve(this.#instances.filter(serves));
  }

  instance(id: string): Promise<InstanceRecord | undefined> {
    return Promise.resolve(this.#instances.find(({ instance }) => instance === id));
  }

  async watch(listener: (event: DiscoveryEvent) => void, { signal }: DiscoveryCallOptions = {}): Promise<Watch> {
    await Promise.resolve();
    if (signal?.aborted === true) throw abortError(signal);
    for (const declaration of this.#declarations) listener({ type: "declared", declaration });
    for (const instance of this.#instances) listener({ type: "instance-up", instance });
    listener({ type: "ready" });
    const close = () => Promise.resolve();
    return {
      instances: () => [...this.#instances],
      declarations: () => [...this.#declarations],
      close,
      [Symbol.asyncDispose]: close,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

function fixed(action: string): ConnectError {
  return fault(`Cannot ${action}: this discovery is fixed`, Code.FailedPrecondition);
}
