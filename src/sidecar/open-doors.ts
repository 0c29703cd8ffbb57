import { chmod, rm } from "node:fs/promises";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { LeaseService } from "../../gen/waybill/v1/lease_pb.ts";
import { NodeService } from "../../gen/waybill/v1/node_pb.ts";
import { SessionService } from "../../gen/waybill/v1/session_pb.ts";
import type { Client } from "../client/client.ts";
import { BusNodeClients } from "../data/node-clients.ts";
import { secretFileOf } from "../data/node-socket.ts";
import { createTensorApp, urlOf } from "../data/server.ts";
import type { TensorStore } from "../data/store.ts";
import { type Access, mustBe, standingKey } from "./access.ts";
import type { NodeHealth } from "./health.ts";
import { batchRoute } from "./http/batch-route.ts";
import { Door } from "./http/door.ts";
import { nodeListener } from "./http/node-listener.ts";
import { pageAccess } from "./http/page-access.ts";
import { tensorRoute } from "./http/tensor-route.ts";
import { operatorRoutes } from "./operators/operator-routes.ts";
import { relayedNodes } from "./operators/relayed-nodes.ts";
import type { ResolvedSidecarOptions } from "./options.ts";
import type { NodeSecret } from "./secret.ts";
import type { NodeServices } from "./service/node-service.ts";
import { prepareSocket } from "./socket-file.ts";

/** What is served over HTTP. */
export interface OpenDoorsOptions {
  readonly options: ResolvedSidecarOptions;
  readonly secret: NodeSecret;
  readonly access: Access;
  readonly store: TensorStore;
  readonly health: NodeHealth;
  /** Calls of operators are passed on over its bus. */
  readonly client: Client | undefined;
  readonly services: NodeServices;
  readonly sessions: ServiceImpl<typeof SessionService>;
}

/** Where a node is reached over HTTP. */
export interface OpenDoors {
  /** The URL by which others reach it. */
  readonly url: string;
  /** Connections now. */
  readonly connections: number;
  /** Requests that run. */
  readonly requests: number;
  close(options: { drainMs: number }): Promise<void>;
}

/**
 * Opens a node's port and its Unix socket, with the secret beside that. Both serve the same.
 *
 * @throws {ConnectError} `unavailable` where the port is taken, and as `prepareSocket`
 */
export async function openDoors(parts: OpenDoorsOptions): Promise<OpenDoors> {
  const { options, secret, access, store, health, client, services, sessions } = parts;
  const { host, port, socketPath, limits, allowedOrigins, logger, node } = options;
  const allows = (token: string) => access.standingWith(token) !== "anyone";
  const app = createTensorApp(store, { acceptUploads: { allows }, allowedOrigins, logger });
  const { listener, bounds } = nodeListener({
    routes(router) {
      router.service(Health, health.service);
      router.service(SessionService, sessions);
      router.service(LeaseService, services.leases);
      if (client === undefined) return void router.service(NodeService, services.node);
      const nodes = new BusNodeClients(client.caller);
      const admit = (what: string) => ({ values }: HandlerContext) => mustBe("trusted", values.get(standingKey), what);
      router.service(NodeService, relayedNodes(services.node, { node, nodes, admit: admit("Cannot reach another node") }));
      operatorRoutes(router, { client, node, relays: true, admit: admit("Cannot call an operator") });
    },
    first: [pageAccess(allowedOrigins), batchRoute(sessions.batch, limits.maxMessageBytes), tensorRoute(store, app)],
    app,
    access,
    limits,
  });
  const door = new Door(listener, limits);
  const secretFile = secretFileOf(socketPath);
  const close = async (drain: { drainMs: number }) => {
    await door.close(drain);
    bounds.close();
    await rm(secretFile, { force: true });
  };
  // What is there of another one stays its own.
  await prepareSocket(socketPath);
  try {
    // Before the socket: who finds that finds the secret too.
    await secret.write(secretFile);
    await door.open({ path: socketPath });
    await chmod(socketPath, 0o600);
    const url = urlOf(host, await door.open({ host, port }), options.advertiseUrl);
    return {
      url,
      close,
      get connections() {
        return door.connections;
      },
      get requests() {
        return bounds.running;
      },
    };
  } catch (error) {
    await close({ drainMs: 0 });
    throw error;
  }
}
