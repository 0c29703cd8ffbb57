// NVIDIA's own clients, unchanged. Their process is a Python, and gRPC needs HTTP/2 without TLS: Node serves it.
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { execFile } from "node:child_process";
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type HttpServer, serveHttp } from "../../src/data/http-server.ts";
import { kserveRoutes, kserveService, memorySettings, systemSharedMemory } from "../../src/kserve/mod.ts";
import { testUnless } from "../support/skip.ts";
import { tritonClientPath, tritonClientPython } from "./support/tritonclient.ts";
import { startTwins } from "./support/twins.ts";

const run = promisify(execFile);
const client = await tritonClientPython();
const missing = "missing" in client ? client.missing : undefined;

describe("the official tritonclient", () => {
  let twins: Awaited<ReturnType<typeof startTwins>>;
  let http: HttpServer;
  let grpc: Http2Server;
  beforeAll(async () => {
    twins = await startTwins();
    const options = { settings: memorySettings(), sharedMemory: systemSharedMemory() };
    http = await serveHttp(kserveRoutes(twins.host, options));
    grpc = createServer(connectNodeAdapter({ routes: kserveService(twins.host, options) }));
    await new Promise<void>((resolve) => grpc.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    await http.close();
    await new Promise((resolve) => grpc.close(resolve));
    await twins.deployment.close();
  });

  testUnless(missing, "works over HTTP and gRPC, with and without asyncio", async () => {
    const script = fileURLToPath(new URL("./support/tritonclient_check.py", import.meta.url));
    const grpcUrl = `127.0.0.1:${(grpc.address() as AddressInfo).port}`;
    const ended = await run("python" in client ? client.python : "", [script, new URL(http.url).host, grpcUrl], {
      env: { ...process.env, PYTHONPATH: tritonClientPath(), PYTHONDONTWRITEBYTECODE: "1" },
      timeout: 90_000,
    }).catch((error: { stdout: string; stderr: string }) => error);
    const lines = ended.stdout.trimEnd().split("\n");
    expect({ last: lines.at(-1), stderr: lines.at(-1) === "done" ? "" : ended.stderr.slice(-3_000) }).toEqual({
      last: "done",
      stderr: "",
    });
    expect(lines.filter((line) => line.startsWith("ok "))).toHaveLength(lines.length - 1);
  }, 120_000);
});
