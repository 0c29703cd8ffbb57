// A node as clients see it that are connected straight to it: a program of its own, whose operators are those of the behaviours.
import { chmodSync } from "node:fs";
import { createServer as createHttp1 } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { NodeService } from "../../../gen/waybill/v1/node_pb.ts";
import { Code, operator, Tensor } from "../../../mod.ts";
import { nodeService } from "../../../src/data/node-service.ts";
import { BusNodeClients } from "../../../src/data/node-clients.ts";
import { fault } from "../../../src/rpc/error.ts";
import { admitToken, operatorRoutes } from "../../../src/sidecar/operators/operator-routes.ts";
import { relayedNodes } from "../../../src/sidecar/operators/relayed-nodes.ts";
import { startFakeDeployment } from "../../../src/testing/mod.ts";
import { operators } from "../../runtimes/operators.ts";

const { NODE_TOKEN = "", NODE_SOCKET = "", NODE_PORT = "0" } = process.env;
const node = "front";

const headers = operator({
  name: "headers",
  execute: (_request, { requestHeader }) => ({ names: Tensor.from("BYTES", [...requestHeader.keys()].sort()) }),
});
const typed = operator({
  name: "typed",
  async *execute({ parameters }) {
    for (let n = 0; n < Number(parameters.after ?? 0); n++) yield { n: Int32Array.of(n) };
    const error = fault("Typed: ü", Code.Aborted, { reason: "TYPED", retryDelayMs: 50 });
    error.metadata.set("x-why", "because");
    throw error;
  },
});
const all = [...operators, headers, typed];
const deployment = await startFakeDeployment({ operators: all, tensors: { http: true } });
const client = deployment.connect({ operatorWaitMs: 500 });
const { store } = await client.serveTensors({ node, http: false });
const admit = admitToken(NODE_TOKEN);
const handler = connectNodeAdapter({
  routes(router) {
    operatorRoutes(router, { client, node, relays: true, admit });
    const nodes = new BusNodeClients(client.caller);
    router.service(NodeService, relayedNodes(nodeService(store), { node, nodes, admit }));
  },
});
const http1 = createHttp1(handler);
const http2 = createHttp2(handler);
const sockets = new Set<Socket>();

/** Both protocols in one place: the first bytes of a connection say which it is. */
function listen(place: { path: string } | { host: string; port: number }): Promise<Server> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket)).on("error", () => {});
    socket.once("data", (first) => {
      socket.pause();
      (first.toString("latin1").startsWith("PRI") ? http2 : http1).emit("connection", socket);
      socket.unshift(first);
      socket.resume();
    });
  });
  return new Promise((resolve, reject) => server.once("error", reject).listen(place, () => resolve(server)));
}

process.on("SIGUSR2", () => sockets.forEach((socket) => socket.destroy()));
const tcp = await listen({ host: "127.0.0.1", port: Number(NODE_PORT) });
if (NODE_SOCKET !== "") {
  await listen({ path: NODE_SOCKET });
  chmodSync(NODE_SOCKET, 0o600);
}
console.log(`Serving on http://127.0.0.1:${(tcp.address() as AddressInfo).port}`);
