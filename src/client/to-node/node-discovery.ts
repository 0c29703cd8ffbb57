import { Code, type ConnectError } from "@connectrpc/connect";
import type { InstanceRecord, OperatorDeclaration } from "../../../gen/waybill/v1/discovery_pb.ts";
import type { ListOperatorsResponse } from "../../../gen/waybill/v1/operator_pb.ts";
import type { Discovery, DiscoveryCallOptions, InstanceFilter, Registration, Watch } from "../../discovery/discovery.ts";
import { servedOperator } from "../../discovery/resolve.ts";
import { fault } from "../../rpc/error.ts";

/** Asks the node for an operator's records, or with an empty name for all. */
export type ListOperators = (name: string, options: DiscoveryCallOptions | undefined) => Promise<ListOperatorsResponse>;

/** What a node lists. Nothing can be declared, registered or watched through it: that is `failed_precondition`. */
export class NodeDiscovery implements Discovery {
  readonly #list: ListOperators;

  constructor(list: ListOperators) {
    this.#list = list;
  }

  async declaration(name: string, options?: DiscoveryCallOptions): Promise<OperatorDeclaration | undefined> {
    return (await this.#list(name, options)).declarations.find((declaration) => declaration.name === name);
  }

  async declarations(options?: DiscoveryCallOptions): Promise<OperatorDeclaration[]> {
    return (await this.#list("", options)).declarations;
  }

  async instances({ operator, version }: InstanceFilter = {}, options?: DiscoveryCallOptions): Promise<InstanceRecord[]> {
    const { instances } = await this.#list(operator ?? "", options);
    return operator === undefined ? instances : instances.filter((one) => servedOperator(one, operator, version) !== undefined);
  }

  async instance(id: string, options?: DiscoveryCallOptions): Promise<InstanceRecord | undefined> {
    return (await this.#list("", options)).instances.find(({ instance }) => instance === id);
  }

  declare({ name }: OperatorDeclaration): Promise<OperatorDeclaration> {
    return Promise.reject(needsBroker(`declare operator "${name}"`));
  }

  undeclare(name: string): Promise<void> {
    return Promise.reject(needsBroker(`withdraw operator "${name}"`));
  }

  withdraw(name: string, version: string): Promise<OperatorDeclaration | undefined> {
    return Promise.reject(needsBroker(`withdraw version ${version} of operator "${name}"`));
  }

  register(record: InstanceRecord): Promise<Registration> {
    return Promise.reject(needsBroker(`register the instance "${record.instance}"`));
  }

  forget(instance: string): Promise<void> {
    return Promise.reject(needsBroker(`forget the instance "${instance}"`));
  }

  watch(): Promise<Watch> {
    return Promise.reject(needsBroker("watch discovery"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** What only a client of a broker can do. */
export function needsBroker(action: string): ConnectError {
  return fault(
    `Cannot ${action}: this client is connected straight to a node, and that needs a connection to the broker`,
    Code.FailedPrecondition,
    { reason: "NO_BROKER" },
  );
}
