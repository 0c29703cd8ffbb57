import { Code, ConnectError } from "@connectrpc/connect";
import { FetchTransport } from "./fetch-transport.ts";
import type { NodeWire, NodeWireOptions } from "./node-wire.ts";

/**
 * Connect by `fetch`, for runtimes that have nothing else.
 *
 * @throws {ConnectError} `failed_precondition` for what only Node, Bun and Deno can do
 */
export function fetchWire({ address, protocol, tls }: NodeWireOptions): NodeWire {
  if (protocol !== "connect") throw impossible(address.shown, `gRPC needs HTTP/2 trailers, take protocol "connect"`);
  if (address.socketPath !== undefined) throw impossible(address.shown, "there are no Unix sockets");
  if (tls !== undefined) throw impossible(address.shown, "its own settings of TLS hold, leave the option tls out");
  return { duplex: false, transport: (interceptors) => new FetchTransport(address.baseUrl, interceptors), close() {} };
}

function impossible(shown: string, why: string): ConnectError {
  return new ConnectError(`Cannot connect to node "${shown}" in this runtime: ${why}`, Code.FailedPrecondition);
}
