import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { LeaseService } from "../../../gen/waybill/v1/lease_pb.ts";
import { NodeService } from "../../../gen/waybill/v1/node_pb.ts";
import {
  type Attached,
  type AttachResponse,
  type BatchRequestSchema,
  type OperationResult,
  SessionService,
} from "../../../gen/waybill/v1/session_pb.ts";
import { secretFileOf } from "../../../src/data/node-socket.ts";
import { type Sidecar, type SidecarOptions, startSidecar } from "../../../src/sidecar/mod.ts";
import type { Cleanup } from "../../data/support.ts";

/** A token of the nodes of these tests. */
export const token = "a-token-of-some-length";

/** A folder of its own, which goes with the test. */
export function ownFolder(cleanup: Cleanup): string {
  const folder = mkdtempSync(join(tmpdir(), "waybill-node-"));
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A sidecar in this process, without UCX and with little memory, unless told otherwise. */
export async function startNode(cleanup: Cleanup, options: SidecarOptions = {}): Promise<Sidecar & { socketPath: string }> {
  const socketPath = options.socketPath ?? join(ownFolder(cleanup), "node.sock");
  const defaults = { node: "node-a", ucx: false, drainMs: 0, budgetBytes: 2 ** 25, segmentBytes: 2 ** 22 } as const;
  const sidecar = await startSidecar({ ...defaults, tokens: [token], ...options, socketPath });
  cleanup.add(sidecar);
  return Object.assign(sidecar, { socketPath });
}

/** How to reach a node. */
export type Protocol = "connect over HTTP/1.1" | "connect over HTTP/2" | "gRPC" | "connect over the Unix socket";

/** All of them. */
export const protocols: readonly Protocol[] = [
  "connect over HTTP/1.1",
  "connect over HTTP/2",
  "gRPC",
  "connect over the Unix socket",
];

/** A transport to a node. */
export function transportTo({ url, address }: Pick<Sidecar, "url" | "address">, protocol: Protocol): Transport {
  const nodeOptions = { socketPath: address.slice("unix:".length) };
  switch (protocol) {
    case "connect over HTTP/1.1":
      return createConnectTransport({ baseUrl: url, httpVersion: "1.1" });
    case "connect over HTTP/2":
      return createConnectTransport({ baseUrl: url, httpVersion: "2" });
    case "gRPC":
      return createGrpcTransport({ baseUrl: url });
    case "connect over the Unix socket":
      return createConnectTransport({ baseUrl: "http://localhost", httpVersion: "1.1", nodeOptions });
  }
}

/** The node service over a Unix socket. */
export function serviceOf(sidecar: Pick<Sidecar, "url" | "address">): Client<typeof NodeService> {
  return createClient(NodeService, transportTo(sidecar, "connect over the Unix socket"));
}

/** Headers of who has the secret of the start. */
export async function local({ socketPath }: { socketPath: string }): Promise<{ headers: { authorization: string } }> {
  return bearer(await readFile(secretFileOf(socketPath), "utf8"));
}

/** Headers of who has a token. */
export function bearer(text: string): { headers: { authorization: string } } {
  return { headers: { authorization: `Bearer ${text}` } };
}

/** What who looks after a node asks of it. */
export function leasesOf(sidecar: Pick<Sidecar, "url" | "address">): Client<typeof LeaseService> {
  return createClient(LeaseService, transportTo(sidecar, "connect over the Unix socket"));
}

/** What the machine's own workers ask of a node. */
export function sessionsOf(sidecar: Pick<Sidecar, "url" | "address">): Client<typeof SessionService> {
  return createClient(SessionService, transportTo(sidecar, "connect over the Unix socket"));
}

/** An attached worker. */
export interface AttachedWorker {
  readonly service: Client<typeof NodeService>;
  readonly attached: Attached;
  readonly events: AsyncIterator<AttachResponse>;
  leave(): Promise<void>;
  batch(...operations: Operations): Promise<OperationResult["kind"][]>;
}

type Operations = NonNullable<MessageInitShape<typeof BatchRequestSchema>["operations"]>;

/** Attaches a worker, which leaves with the test. */
export async function attach(
  cleanup: Cleanup,
  sidecar: Sidecar & { socketPath: string },
  name: string = "w",
): Promise<AttachedWorker> {
  const service = serviceOf(sidecar);
  const leaving = new AbortController();
  const sessions = sessionsOf(sidecar);
  const events = sessions.attach({ name }, { ...await local(sidecar), signal: leaving.signal })[Symbol.asyncIterator]();
  const leave = async () => {
    leaving.abort();
    await events.next().catch(() => {});
  };
  cleanup.defer(leave);
  const first = (await events.next()).value?.event;
  if (first?.case !== "attached") throw new Error("The first event must say what was attached");
  const { session } = first.value;
  const batch = async (...operations: Operations) =>
    (await sessions.batch({ session, operations })).results.map(({ kind }) => kind);
  return { service, attached: first.value, events, leave, batch };
}

/** Sends bytes, and gives what comes until the other side closes. */
export function rawConnection(url: string): { socket: Socket; closed: Promise<string> } {
  const { hostname, port } = new URL(url);
  const socket = createConnection({ host: hostname, port: Number(port) });
  let text = "";
  socket.on("data", (chunk) => text += chunk.toString("latin1"));
  socket.on("error", () => {});
  return { socket, closed: new Promise((resolve) => socket.once("close", () => resolve(text))) };
}
