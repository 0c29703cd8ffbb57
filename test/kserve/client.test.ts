import { createServer as createServer1, type Server } from "node:http";
import { createServer as createServer2, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Tensor } from "../../mod.ts";
import { type HttpServer, serveHttp } from "../../src/data/http-server.ts";
import { KServeClient, kserveRoutes, kserveService } from "../../src/kserve/mod.ts";
import { failure } from "../support/waiting.ts";
import { startTwins } from "./support/twins.ts";

const a = Float32Array.from({ length: 16 }, (_, i) => i);
const b = new Float32Array(16).fill(1);
const sum = Array.from(a, (value) => value + 1);

const portOf = (server: Server | Http2Server) => (server.address() as AddressInfo).port;
const listening = (server: Server | Http2Server) => new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));

describe("a KServe client", () => {
  let twins: Awaited<ReturnType<typeof startTwins>>;
  let http: HttpServer;
  let h1: Server;
  let h2: Http2Server;
  const clients = new Map<string, KServeClient>();
  beforeAll(async () => {
    twins = await startTwins();
    http = await serveHttp(kserveRoutes(twins.host));
    const routes = (router: ConnectRouter) => void kserveService(twins.host)(router);
    h1 = createServer1(connectNodeAdapter({ routes }));
    h2 = createServer2(connectNodeAdapter({ routes }));
    await Promise.all([listening(h1), listening(h2)]);
    clients.set("REST", new KServeClient(http.url));
    clients.set("gRPC", new KServeClient(`grpc://127.0.0.1:${portOf(h2)}`));
    clients.set("gRPC-Web", new KServeClient(`http://127.0.0.1:${portOf(h1)}`, { protocol: "grpc-web" }));
  });
  afterAll(async () => {
    await Promise.all([...clients.values()].map((client) => client.close()));
    await http.close();
    h1.closeAllConnections();
    await Promise.all([h1, h2].map((server) => new Promise((resolve) => server.close(resolve))));
    await twins.deployment.close();
  });

  for (const protocol of ["REST", "gRPC", "gRPC-Web"]) {
    const client = () => clients.get(protocol)!;

    test(`asks after servers and models over ${protocol}`, async () => {
      expect([await client().live(), await client().ready(), await client().modelReady("add_sub")]).toEqual([true, true, true]);
      expect([await client().modelReady("nomodel"), await client().modelReady("add_sub", { version: 9 })]).toEqual([
        false,
        false,
      ]);
      expect((await client().serverMetadata()).name).toBe("triton");
      const metadata = await client().metadata("add_sub_batch");
      expect({ ...metadata.inputs[0] }).toEqual({ name: "INPUT0", datatype: "FP32", shape: [-1, 16] });
      const config = await client().config("add_sub_batch");
      expect([config.name, config.max_batch_size]).toEqual(["add_sub_batch", 8]);
      expect((await client().index({ ready: true })).map(({ name }) => name)).toContain("add_sub");
      expect((await client().index()).find(({ name }) => name === "broken")?.state).toBe("UNAVAILABLE");
      const [statistics] = await client().statistics("add_sub");
      expect(Object.keys(statistics!)).toContain("inference_stats");
    });

    test(`calls models over ${protocol}, and gives back the bytes that it sent`, async () => {
      const answer = await client().infer("add_sub", { INPUT0: a, INPUT1: b }, {
        id: "one",
        outputs: { OUTPUT0: {} },
        parameters: { n: 3, real: 1.5, text: "x" },
        sequence: { id: 5, start: true },
        priority: 1,
      });
      expect([answer.model, answer.version, answer.id, Object.keys(answer.outputs)]).toEqual(["add_sub", "1", "one", [
        "OUTPUT0",
      ]]);
      expect(answer.outputs.OUTPUT0!.toNumbers()).toEqual(sum);
      const bytes = Tensor.from("BYTES", [new Uint8Array([97, 255, 98]), new Uint8Array(0)]);
      const echoed = await client().infer("identity_bytes", { INPUT0: bytes });
      expect([...echoed.outputs.OUTPUT0!.bytes]).toEqual([...bytes.bytes]);
      const classes = await client().infer("add_sub", { INPUT0: a, INPUT1: b }, { outputs: { OUTPUT0: { classes: 1 } } });
      expect(classes.outputs.OUTPUT0!.strings()).toEqual(["16.000000:15"]);
      const none = await client().infer("identity_fp32", { INPUT0: new Float32Array(0) });
      expect(none.outputs.OUTPUT0!.shape).toEqual([0]);
    });

    test(`answers many calls at once over ${protocol}`, async () => {
      const calls = Array.from({ length: 32 }, (_, i) => client().infer("identity_fp32", { INPUT0: new Float32Array([i]) }));
      const answers = await Promise.all(calls);
      expect(answers.map(({ outputs }) => outputs.OUTPUT0!.toNumbers()[0])).toEqual(Array.from({ length: 32 }, (_, i) => i));
    });

    test(`fails over ${protocol} with the server's words and the code that fits`, async () => {
      const unknown = await failure(client().infer("nomodel", {}));
      expect([unknown.code, unknown.rawMessage]).toEqual([Code.NotFound, "Request for unknown model: 'nomodel' is not found"]);
      const shape = await failure(client().infer("add_sub", { INPUT0: a.subarray(8), INPUT1: b }));
      expect([shape.code, shape.rawMessage]).toEqual([
        Code.InvalidArgument,
        expect.stringContaining("unexpected shape for input 'INPUT0'"),
      ]);
      const load = await failure(client().load("add_sub"));
      expect([load.code, load.rawMessage]).toEqual([Code.Unavailable, expect.stringContaining("explicit model load")]);
      const signal = AbortSignal.abort();
      expect((await failure(client().infer("add_sub", { INPUT0: a, INPUT1: b }, { signal }))).code).toBe(Code.Canceled);
    });
  }

  for (const protocol of ["REST", "gRPC"]) {
    test(`yields the answers of models that give many over ${protocol}`, async () => {
      const client = clients.get(protocol)!;
      const seen: number[] = [];
      for await (const { outputs } of client.stream("repeat", { IN: Int32Array.of(4, 5, 6) })) {
        seen.push(...outputs.OUT!.toNumbers());
      }
      expect(seen).toEqual([4, 5, 6]);
      for await (const { outputs } of client.stream("repeat", { IN: new Int32Array(100_000) })) {
        expect(outputs.IDX!.toNumbers()).toEqual([0]);
        break;
      }
      const once: number[][] = [];
      for await (const { outputs } of client.stream("identity_fp32", { INPUT0: Float32Array.of(7) })) {
        once.push(outputs.OUTPUT0!.toNumbers());
      }
      expect(once).toEqual([[7]]);
      const unknown = client.stream("nomodel", {});
      expect((await failure(unknown.next())).rawMessage).toContain("unknown model");
    });
  }

  test("says that gRPC-Web cannot stream", async () => {
    const error = await failure(clients.get("gRPC-Web")!.stream("repeat", { IN: Int32Array.of(1) }).next());
    expect(error.code).toBe(Code.Unimplemented);
  });

  test("sends JSON and compressed requests where that is asked for", async () => {
    const client = clients.get("REST")!;
    for (const options of [{ binary: false }, { compress: "gzip" }, { compress: "deflate", binary: false }] as const) {
      const { outputs } = await client.infer("add_sub", { INPUT0: a, INPUT1: b }, options);
      expect(outputs.OUTPUT0!.toNumbers()).toEqual(sum);
    }
  });

  test("gives the descriptors of outputs that stay where they are", async () => {
    for (const protocol of ["REST", "gRPC"]) {
      const { outputs, waybills } = await clients.get(protocol)!.infer("add_sub", { INPUT0: a, INPUT1: b }, {
        parameters: { waybill: true },
      });
      expect([Object.keys(outputs), Object.keys(waybills)]).toEqual([[], ["OUTPUT0", "OUTPUT1"]]);
      const remote = twins.deployment.client.open(waybills.OUTPUT0!);
      expect((await remote.fetch()).toNumbers()).toEqual(sum);
    }
  });

  test("tells servers that are not there, and URLs that cannot work, without secrets", async () => {
    const away = new KServeClient("http://127.0.0.1:1", { timeoutMs: 5_000 });
    expect((await failure(away.infer("x", {}))).code).toBe(Code.Unavailable);
    for (const url of ["ftp://user:secret@host", "127.0.0.1:8000", ""]) {
      try {
        new KServeClient(url);
        throw new Error("it must fail");
      } catch (error) {
        expect(String(error)).toContain("the URL must be http://HOST:PORT");
        expect(String(error)).not.toContain("secret");
      }
    }
  });
});
