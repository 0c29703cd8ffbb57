/**
 * The client under test: makes the calls that the runner describes on stdin, over the bus, and describes on stdout what came of them.
 * `CONFORMANCE_BROKER` says by its scheme how to reach the broker that the server named, `CONFORMANCE_NAMESPACE` and `CONFORMANCE_WAY`
 * where calls go.
 *
 * @module
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import process from "node:process";
import { type Bus, connectBus } from "../../src/bus/mod.ts";
import { Caller } from "../../src/rpc/caller.ts";
import { BusTransport } from "../../src/rpc/transport.ts";
import { registry } from "./convert.ts";
import { frameOf, readFrames } from "./framing.ts";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { Codec } from "./gen/connectrpc/conformance/v1/config_pb.ts";
import { invoke } from "./invoke.ts";
import { routeOf, wayOf } from "./ways.ts";

process.once("SIGTERM", () => process.exit(0));
const namespace = process.env.CONFORMANCE_NAMESPACE as string;
const { protocol } = new URL(process.env.CONFORMANCE_BROKER as string);
const route = routeOf(wayOf(process.env.CONFORMANCE_WAY), namespace);

/** One connection for all calls to one broker. */
const connections = new Map<string, Promise<{ bus: Bus; caller: Caller }>>();

function connection({ host, port }: ClientCompatRequest): Promise<{ bus: Bus; caller: Caller }> {
  const url = `${protocol}//${host}:${port}`;
  const made = connections.get(url) ?? connectBus(url).then((bus) => ({ bus, caller: new Caller(bus, { namespace }) }));
  connections.set(url, made);
  return made;
}

async function answer(request: ClientCompatRequest): Promise<void> {
  const { testName } = request;
  let response;
  try {
    const { caller } = await connection(request);
    const codec = request.codec === Codec.JSON ? "json" : "proto";
    const value = await invoke(new BusTransport({ caller, route, codec, registry }), request);
    response = create(ClientCompatResponseSchema, { testName, result: { case: "response", value } });
  } catch (error) {
    response = create(ClientCompatResponseSchema, { testName, result: { case: "error", value: { message: String(error) } } });
  }
  process.stdout.write(frameOf(toBinary(ClientCompatResponseSchema, response)));
}

const running = new Set<Promise<void>>();
for await (const frame of readFrames(process.stdin)) {
  const call = answer(fromBinary(ClientCompatRequestSchema, frame)).finally(() => running.delete(call));
  running.add(call);
}
await Promise.all(running);
for (const { bus, caller } of await Promise.all(connections.values())) {
  await caller.close();
  await bus.close();
}
