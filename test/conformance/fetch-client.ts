/**
 * The client under test where calls go straight to a node and there is `fetch` alone: makes the calls that the runner describes on
 * stdin, to the runner's own server, and describes on stdout what came of them.
 *
 * @module
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import process from "node:process";
import { FetchTransport } from "../../src/client/to-node/fetch-transport.ts";
import { frameOf, readFrames } from "./framing.ts";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { invoke } from "./invoke.ts";

process.once("SIGTERM", () => process.exit(0));

async function answer(request: ClientCompatRequest): Promise<void> {
  const { testName, host, port } = request;
  let response;
  try {
    const value = await invoke(new FetchTransport(`http://${host}:${port}`, []), request);
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
