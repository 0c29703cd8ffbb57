import { readFile } from "node:fs/promises";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type HeldTensor, LeaseService } from "../../../gen/waybill/v1/lease_pb.ts";
import { NodeService } from "../../../gen/waybill/v1/node_pb.ts";
import type { Client } from "../../client/client.ts";
import { secretFileOf } from "../../data/node-socket.ts";
import { serviceRoute } from "../../rpc/route.ts";
import { BusTransport } from "../../rpc/transport.ts";
import { memoryFromWire } from "../../waybill/descriptor.ts";
import { withClient } from "../connection.ts";

/** How long a node may take to answer. */
const TIMEOUT_MS = 10_000;

/** A lease, as it is shown: without anything that is a secret. */
export interface ShownTensor {
  /** The beginning of its reference. */
  readonly id: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly memory: string;
  readonly device: number;
  /** Whom it is for; `""` where nobody said. */
  readonly holder: string;
  readonly expiresAtMs: number;
  readonly once: boolean;
  readonly pins: number;
}

/** What a node holds, or why it does not say. */
export interface HeldByNode {
  readonly node: string;
  readonly usedBytes?: number;
  readonly budgetBytes?: number;
  readonly leases?: number;
  readonly tensors: readonly ShownTensor[];
  readonly error?: string;
}

/**
 * Asks nodes over the bus.
 *
 * @throws {ConnectError} `not_found` where the node that is named is not there
 */
export function heldByNodes(
  connection: { readonly url?: string; readonly namespace?: string },
  { node, limit }: { readonly node: string | undefined; readonly limit: number },
): Promise<HeldByNode[]> {
  return withClient(connection, async (client) => {
    const instances = await client.discovery.instances({}, { timeoutMs: TIMEOUT_MS });
    // What serves no operators is a sidecar; workers' own tensors are for their callers alone.
    const sidecars = instances.filter(({ operators, node }) => operators.length === 0 && node !== "").map(({ node }) => node);
    const names = [...new Set(sidecars)].sort().filter((name) => node === undefined || name === node);
    if (node !== undefined && names.length === 0) {
      const known = sidecars.map((name) => `"${name}"`).join(", ") || "none";
      throw new ConnectError(`Cannot list the tensors of "${node}": the nodes with a sidecar are ${known}`, Code.NotFound);
    }
    return await Promise.all(names.map((name) => ask(name, transportOver(client, name), limit)));
  });
}

/** Asks the node of a Unix socket, as one of its own user's programs. */
export async function heldOverSocket(socketPath: string, limit: number): Promise<HeldByNode> {
  let secret: string;
  try {
    secret = await readFile(secretFileOf(socketPath), "utf8");
  } catch (cause) {
    const text = `Cannot ask the node at ${socketPath}: its secret must be beside the socket, and this user's to read`;
    throw new ConnectError(text, Code.PermissionDenied, undefined, undefined, cause);
  }
  const transport = createConnectTransport({
    baseUrl: "http://localhost",
    httpVersion: "1.1",
    nodeOptions: { socketPath },
    interceptors: [(next) => (request) => {
      request.header.set("authorization", `Bearer ${secret}`);
      return next(request);
    }],
  });
  const { node } = await createClient(NodeService, transport).describe({}, { timeoutMs: TIMEOUT_MS });
  return await ask(node, transport, limit);
}

function transportOver(client: Client, node: string): Transport {
  const { caller } = client;
  const route = serviceRoute(caller.subjects.nodeControl(node), `node "${node}"`);
  return new BusTransport({ caller, route });
}

async function ask(node: string, transport: Transport, limit: number): Promise<HeldByNode> {
  try {
    const { usedBytes, budgetBytes, leases } = await createClient(NodeService, transport).describe({}, {
      timeoutMs: TIMEOUT_MS,
    });
    const pages = createClient(LeaseService, transport).list({ limit }, { timeoutMs: TIMEOUT_MS });
    const tensors: ShownTensor[] = [];
    for await (const page of pages) tensors.push(...page.tensors.map(shown));
    return { node, usedBytes: Number(usedBytes), budgetBytes: Number(budgetBytes), leases, tensors };
  } catch (error) {
    return { node, tensors: [], error: ConnectError.from(error).rawMessage };
  }
}

function shown({ id, dtype, shape, byteSize, memory, device, holder, expiresAtMs, once, pins }: HeldTensor): ShownTensor {
  return {
    id,
    dtype,
    shape: shape.map(Number),
    bytes: Number(byteSize),
    memory: memoryFromWire(memory),
    device,
    holder,
    expiresAtMs: Number(expiresAtMs),
    once,
    pins,
  };
}
