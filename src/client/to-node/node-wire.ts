import type { Interceptor, Transport } from "@connectrpc/connect";
import type { BusTlsOptions } from "../../bus/options.ts";
import type { NodeAddress } from "./node-address.ts";

/** What a node is spoken to in. */
export type NodeProtocol = "connect" | "grpc";

/** How a node is reached. */
export interface NodeWireOptions {
  readonly address: NodeAddress;
  readonly protocol: NodeProtocol;
  /** Of https, where the runtime lets it be set. */
  readonly tls: BusTlsOptions | undefined;
}

/** Carries calls to one node, over connections that it keeps. */
export interface NodeWire {
  /** Whether callers can stream while they are answered. */
  readonly duplex: boolean;
  /** A Connect transport over the same connections, with interceptors around each call. */
  transport(interceptors: Interceptor[]): Transport;
  /** Closes the connections. What is under way fails. */
  close(): void;
}

/** Most bytes of one message that is answered: tensors beyond come in pieces. */
export const MAX_ANSWER_BYTES: number = 128 * 2 ** 20;
