// A node as clients see it that are connected straight to it: a sidecar in a program of its own, without a broker, which serves the
// operators of the behaviours itself. One more worker stands for another node behind it.
import { type AddressInfo, connect } from "node:net";
import { createServer } from "node:tls";
import { Code, operator, Tensor } from "../../../mod.ts";
import { connectMemory, MemoryBroker } from "../../../src/bus/mod.ts";
import { MemoryDiscovery, MemoryStore } from "../../../src/discovery/mod.ts";
import { fault } from "../../../src/rpc/error.ts";
import { startSidecar } from "../../../src/sidecar/mod.ts";
import { startWorker } from "../../../src/worker/mod.ts";
import { serverCert, serverKey } from "../../bus/tls-fixture.ts";
import { operators } from "../../runtimes/operators.ts";

const { NODE_TOKEN = "", NODE_SOCKET = "", NODE_PORT = "0", ALLOWED_ORIGIN = "" } = process.env;

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
const far = operator({ name: "far", inline: false, execute: () => ({ x: new Uint8Array(100_000) }) });

const broker = new MemoryBroker();
const store = new MemoryStore();
const over = () => ({ bus: connectMemory(broker), discovery: new MemoryDiscovery({ store }) });
await startWorker({ operators: [far], over: over(), tensors: { http: false } });
const sidecar = await startSidecar({
  node: "front",
  operators: [...operators, headers, typed],
  operatorWaitMs: 500,
  port: Number(NODE_PORT),
  socketPath: NODE_SOCKET,
  tokens: [NODE_TOKEN],
  allowedOrigins: ["https://app.example.com", ...(ALLOWED_ORIGIN === "" ? [] : [ALLOWED_ORIGIN])],
  over: over(),
});
process.once("SIGTERM", async () => {
  await sidecar.stop({ drainMs: 0 });
  process.exit();
});
// As a proxy that ends TLS does, and passes either protocol on.
const proxy = createServer({ key: serverKey, cert: serverCert, ALPNProtocols: ["h2", "http/1.1"] }, (near) => {
  const far = connect(Number(new URL(sidecar.url).port), "127.0.0.1");
  near.on("error", () => far.destroy()).pipe(far).on("error", () => near.destroy()).pipe(near);
});
await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
console.log(`Serving on ${sidecar.url} and https://localhost:${(proxy.address() as AddressInfo).port}.`);
