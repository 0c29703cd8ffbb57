import { mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { kserveRoutes, kserveService, systemSharedMemory } from "../../src/kserve/mod.ts";
import { failure } from "../support/waiting.ts";
import { memoryCases } from "./support/golden-cases.ts";
import { grpcCase, messageFrom } from "./support/golden-grpc.ts";
import { httpCase } from "./support/golden-http.ts";
import { call, methodOf, plain } from "./support/replay-grpc.ts";
import { startTwins } from "./support/twins.ts";

describe("memory that clients share", () => {
  let directory: string;
  let twins: Awaited<ReturnType<typeof startTwins>>;
  const numbers = () => Float32Array.from({ length: 64 }, (_, i) => (i < 16 ? i : i < 32 ? 1 : 0));
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "waybill-kserve-"));
    await writeFile(join(directory, "base_triton_gold"), new Uint8Array(numbers().buffer));
    twins = await startTwins();
  });
  afterAll(async () => {
    await twins.deployment.close();
    await rm(directory, { recursive: true });
  });

  test("is registered, used and refused over REST as Triton does it", async () => {
    const sharedMemory = systemSharedMemory({ directory });
    const app = kserveRoutes(twins.host, { sharedMemory });
    for (const name of memoryCases.http) {
      const { method, path, headers, body, answer: recorded } = httpCase(name);
      const answer = await app.request(path, { method, headers, body: method === "GET" ? undefined : body });
      const text = new TextDecoder().decode(recorded.body);
      expect({ name, status: answer.status, text: await answer.text() }).toEqual({ name, status: recorded.status, text });
    }
  });

  test("is registered, used and refused over gRPC as Triton does it", async () => {
    const sharedMemory = systemSharedMemory({ directory });
    const transport = createRouterTransport(kserveService(twins.host, { sharedMemory }), {
      transport: { useBinaryFormat: true },
    });
    for (const name of memoryCases.grpc) {
      const recorded = grpcCase(name);
      const { output } = methodOf(recorded);
      const { code, details } = recorded;
      const answers = recorded.answers.map((answer) => plain(output, messageFrom(output, answer)));
      expect({ name, ...await call(transport, recorded) }).toEqual({ name, code, details, answers });
    }
  });

  test("carries inputs and outputs", async () => {
    const sharedMemory = systemSharedMemory({ directory });
    const app = kserveRoutes(twins.host, { sharedMemory });
    await sharedMemory.register({ name: "r", key: "/base_triton_gold", offset: 0, byteSize: 256 });
    const at = (offset: number) => ({ shared_memory_region: "r", shared_memory_offset: offset, shared_memory_byte_size: 64 });
    const answer = await app.request("/v2/models/add_sub/infer", {
      method: "POST",
      body: JSON.stringify({
        inputs: ["INPUT0", "INPUT1"].map((name, i) => ({ name, datatype: "FP32", shape: [16], parameters: at(64 * i) })),
        outputs: ["OUTPUT0", "OUTPUT1"].map((name, i) => ({ name, parameters: at(128 + 64 * i) })),
      }),
    });
    expect(await answer.json()).toEqual({
      model_name: "add_sub",
      model_version: "1",
      outputs: ["OUTPUT0", "OUTPUT1"].map((name) => ({ name, datatype: "FP32", shape: [16] })),
    });
    const memory = new Float32Array(new Uint8Array(await readFile(join(directory, "base_triton_gold"))).buffer);
    expect([...memory.subarray(32)]).toEqual(
      [...Array(16).keys()].flatMap((i) => [i + 1]).concat([...Array(16).keys()].map((i) => i - 1)),
    );
    await sharedMemory[Symbol.asyncDispose]();
    expect(await sharedMemory.status()).toEqual([]);
  });

  test("is nothing that others own, lies elsewhere or became shorter", async () => {
    const sharedMemory = systemSharedMemory({ directory, maxRegions: 1 });
    await writeFile(join(directory, "waybill-0-secret"), new Uint8Array(8));
    await writeFile(join(directory, "short"), new Uint8Array(8));
    await symlink("/etc/hostname", join(directory, "link"));
    for (const key of ["/waybill-0-secret", "waybill-0-secret", "/../etc/passwd", "/a/b", "/..", "/link", "/none", "/\0"]) {
      const error = await failure(sharedMemory.register({ name: "x", key, offset: 0, byteSize: 1 }));
      expect(error.rawMessage).toContain("Unable to open shared memory region");
    }
    await sharedMemory.register({ name: "x", key: "/short", offset: 0, byteSize: 8 });
    expect((await failure(sharedMemory.register({ name: "y", key: "/short", offset: 0, byteSize: 8 }))).rawMessage).toContain(
      "more than 1",
    );
    await truncate(join(directory, "short"), 2);
    for (const use of [() => sharedMemory.read("x", 0, 8), () => sharedMemory.write("x", 0, new Uint8Array(8))]) {
      expect((await failure(use())).rawMessage).toContain("Invalid offset + byte size");
    }
    await sharedMemory[Symbol.asyncDispose]();
  });
});
