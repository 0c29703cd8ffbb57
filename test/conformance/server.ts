/**
 * The server under test: Connect's conformance service over the bus. The runner starts it, tells on stdin what it wants, and is told on
 * stdout where clients have to go: to the broker. `CONFORMANCE_BROKER` is the broker's URL, `CONFORMANCE_NAMESPACE` the namespace.
 *
 * @module
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import process from "node:process";
import { connectBus } from "../../src/bus/mod.ts";
import { frameOf, readFrames } from "./framing.ts";
import { ServerCompatRequestSchema, ServerCompatResponseSchema } from "./gen/connectrpc/conformance/v1/server_compat_pb.ts";
import { serveAll } from "./ways.ts";

process.once("SIGTERM", () => process.exit(0));
const url = new URL(process.env.CONFORMANCE_BROKER as string);

for await (const frame of readFrames(process.stdin)) {
  fromBinary(ServerCompatRequestSchema, frame);
  await serveAll(await connectBus(url.href), process.env.CONFORMANCE_NAMESPACE as string);
  const where = create(ServerCompatResponseSchema, { host: url.hostname, port: Number(url.port) });
  process.stdout.write(frameOf(toBinary(ServerCompatResponseSchema, where)));
  break;
}
