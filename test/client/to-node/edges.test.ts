import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Code, connect, type ConnectOptions, errorDetail, infoOf, type RemoteTensor, Tensor } from "../../../mod.ts";
import { ca } from "../../bus/tls-fixture.ts";
import { collect, failure } from "../../support/waiting.ts";
import { until } from "../../support/program.ts";
import { type NodeWorld, startNode, TOKEN } from "./node-world.ts";

let world: NodeWorld;
let page: Server;
let pageUrl: string;

beforeAll(async () => {
  world = await startNode();
  page = createServer((_request, response) => void response.end("<h1>A page</h1>"));
  await new Promise<void>((resolve) => page.listen(0, "127.0.0.1", resolve));
  pageUrl = `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
});

afterAll(async () => {
  page.close();
  await world.stop();
});

const protocols = ["connect", "grpc"] as const;

function open(options: ConnectOptions = {}, url: string = world.url) {
  return connect(url, { token: TOKEN, connectTimeoutMs: 2_000, ...options });
}

describe("connecting to a node", () => {
  test("is unauthenticated without its token, and the message holds no token", async () => {
    for (const protocol of protocols) {
      for (const token of [undefined, "another-token"]) {
        const error = await failure(open({ protocol, token }));
        expect(error.code).toBe(Code.Unauthenticated);
        expect(error.message).not.toContain("another-token");
      }
    }
  });

  test("takes the token from the URL too, and shows it nowhere", async () => {
    const client = await connect(world.url.replace("//", `//${TOKEN}@`));
    expect((await client.operators()).length).toBeGreaterThan(5);
    await client.close();
    const error = await failure(connect("http://a-secret@127.0.0.1:1"));
    expect(error.message).not.toContain("a-secret");
  });

  test("asks for a token that changes at each call", async () => {
    let token = TOKEN;
    const client = await open({ token: () => token });
    token = "expired-token";
    expect((await failure(client.operator("echo").infer({}))).code).toBe(Code.Unauthenticated);
    token = TOKEN;
    await client.operator("echo").infer({});
    await client.close();
  });

  test("reads the secret beside a node's own socket, where no token is given", async () => {
    const client = await connect(world.ownSocketUrl);
    await client.operator("echo").infer({});
    await world.restart();
    await client.operator("echo").infer({}, { idempotent: true });
    await client.close();
    expect((await failure(connect(world.socketUrl))).code).toBe(Code.Unauthenticated);
  });

  test("trusts a certificate whose authority it is told, and no other", async () => {
    for (const protocol of protocols) {
      const client = await open({ protocol, tls: { ca } }, world.secureUrl);
      const { x } = await client.operator("echo").infer({ x: Int32Array.of(5) });
      expect((await x!.fetch()).toNumbers()).toEqual([5]);
      const seen: number[] = [];
      const inputs = async function* () {
        for (let i = 0; i < 3; i++) yield { x: Int32Array.of(i) };
      };
      for await (const { x } of client.operator("echo").stream(inputs())) seen.push(...(await x!.fetch()).toNumbers());
      expect(seen).toEqual([0, 1, 2]);
      await client.close();
      const error = await failure(open({ protocol }, world.secureUrl));
      expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "NODE_AWAY"]);
    }
  });

  test("refuses what cannot work before anything is sent", async () => {
    const wrong: [string | string[], ConnectOptions][] = [
      ["unix:relative.sock", {}],
      ["http://", {}],
      [[world.url, world.url], {}],
      [world.url, { user: "me" }],
      [world.url, { protocol: "http" as never }],
      [world.url, { connectTimeoutMs: 0 }],
    ];
    for (const [url, options] of wrong) {
      const error = await failure(connect(url, { token: TOKEN, ...options }));
      expect([url, error.code]).toEqual([url, Code.InvalidArgument]);
    }
  });

  test("is unavailable where nobody listens, and names the URL", async () => {
    for (const protocol of protocols) {
      for (const url of ["http://127.0.0.1:1", "unix:/tmp/waybill-no-such.sock"]) {
        const error = await failure(connect(url, { protocol }));
        const seen = [url, protocol, error.code, errorDetail(error)?.reason];
        expect(seen).toEqual([url, protocol, Code.Unavailable, "NODE_AWAY"]);
        expect(error.message).toContain(`Cannot connect to node "${url}"`);
      }
    }
  });

  test("is unimplemented where something else answers", async () => {
    const error = await failure(connect(pageUrl));
    expect(error.code).toBe(Code.Unimplemented);
    expect(error.message).toContain(pageUrl);
  });

  test("waits for a node that is being started, as long as it is told to", async () => {
    await world.kill();
    const connecting = open({ waitOnFirstConnectMs: 30_000 });
    await world.restart();
    const client = await connecting;
    expect((await client.operators()).length).toBeGreaterThan(5);
    await client.close();
  });
});

/** Bytes that tell where they are. */
function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < 251; at++) bytes[at] = at;
  for (let filled = 251; filled < length; filled *= 2) bytes.copyWithin(filled, 0, filled);
  return bytes;
}

for (const protocol of protocols) {
  describe(`a call straight to a node, by ${protocol}`, () => {
    test("carries metadata, and says who answered at which attempt", async () => {
      const seen: string[] = [];
      const client = await open({
        protocol,
        interceptors: [(next) => async (request) => {
          seen.push(request.header.get("authorization") ?? "no token");
          request.header.set("x-ask", "who");
          return await next(request);
        }],
      });
      const outputs = await client.operator("headers").infer({}, { headers: { "x-own": "mine" }, id: "7" });
      expect((await outputs.names!.fetch()).strings()).toEqual(["x-ask", "x-own"]);
      // The token is between the client and the node alone.
      expect(seen).toEqual(["no token"]);
      const { instance, attempt, id } = infoOf(outputs)!;
      const [served] = (await client.operators()).find(({ name }) => name === "headers")!.instances;
      expect([instance, attempt, id]).toEqual([served!.id, 1, "7"]);
      await client.close();
    });

    test("goes to the instance that it names, and by the mode that it names", async () => {
      const client = await open({ protocol });
      const [served] = (await client.operators()).find(({ name }) => name === "echo")!.instances;
      for (const mode of ["queue", "direct", "at-most-once"] as const) await client.operator("echo", { mode }).infer({});
      await client.operator("echo", { instance: served!.id }).infer({});
      const error = await failure(client.operator("echo", { instance: "nobody" }).infer({}));
      expect(error.code).toBe(Code.Unavailable);
      const missing = await failure(client.operator("echo", { version: 9 }).infer({}));
      expect([missing.code, errorDetail(missing)?.reason]).toEqual([Code.NotFound, "NOT_DECLARED"]);
      await client.close();
    });

    test("gets an error's metadata and details", async () => {
      const client = await open({ protocol });
      const error = await failure(client.operator("typed").infer({}));
      expect([error.code, error.rawMessage, error.metadata.get("x-why")]).toEqual([Code.Aborted, "Typed: ü", "because"]);
      expect(errorDetail(error)).toMatchObject({ reason: "TYPED", retryDelayMs: 50 });
      const late = await failure(collect(client.operator("typed").stream({}, { parameters: { after: 2 } })));
      expect([late.code, late.metadata.get("x-why"), errorDetail(late)?.reason]).toEqual([Code.Aborted, "because", "TYPED"]);
      await client.close();
    });

    test("ends as canceled when the client is closed, and no other begins", async () => {
      const client = await open({ protocol });
      const what = crypto.randomUUID();
      const call = failure(client.operator("wait").infer({}, { parameters: { what } }));
      const other = await open({ protocol });
      const noted = async (text: string) =>
        infoOf(await other.operator("noted").infer({}, { parameters: { what: text } }))?.parameters.count;
      await until("the operator runs", async () => await noted(`${what} started`) === 1);
      await client.close();
      expect((await call).code).toBe(Code.Canceled);
      await until("the operator was told", async () => await noted(`${what} stopped`) === 1);
      expect((await failure(client.operator("echo").infer({}))).code).toBe(Code.Unavailable);
      await client.close();
      await other.close();
    });

    test("ends with the error of an input that fails, and lets the source go when it ends otherwise", async () => {
      const client = await open({ protocol });
      const broken = async function* () {
        yield { x: Int32Array.of(1) };
        throw new Error("No more inputs");
      };
      const error = await failure(collect(client.operator("echo").stream(broken())));
      expect([error.code, error.rawMessage]).toEqual([Code.Unknown, "No more inputs"]);
      let left = false;
      const endless = async function* () {
        try {
          for (let x = 0;; x++) yield { x: Int32Array.of(x) };
        } finally {
          left = true;
        }
      };
      for await (const _ of client.operator("echo").stream(endless())) break;
      await until("the source was let go", () => left);
      await client.close();
    });

    test("puts and fetches tensors of many messages, and lets go of them", async () => {
      const client = await open({ protocol });
      const bytes = pattern((protocol === "connect" ? 64 : 9) * 2 ** 20);
      const remote = await client.put(Tensor.from("UINT8", bytes));
      expect(remote.node).toBe("front");
      const back = await remote.fetch();
      expect(Buffer.compare(back.bytes, bytes)).toBe(0);
      expect(await remote.read({ offset: 251, length: 3 })).toEqual(Uint8Array.of(0, 1, 2));
      const shared = await remote.share();
      await remote.release();
      expect(await shared.touch({ leaseMs: 1_000 })).toBeGreaterThan(Date.now());
      await shared.release();
      const gone = client.open(shared.waybill);
      expect((await failure(gone.fetch())).code).toBe(Code.PermissionDenied);
      await client.close();
    });

    test("reaches tensors of nodes behind the node", async () => {
      const client = await open({ protocol });
      const { x } = await client.operator("far").infer({});
      const remote = x as RemoteTensor;
      expect(remote.node).not.toBe("front");
      const shared = await remote.share();
      await remote.release();
      expect((await shared.fetch({ via: ["bus"] })).byteLength).toBe(100_000);
      await shared.release();
      await client.close();
    });
  });
}

describe("a node", () => {
  test("tells browsers which origins' pages may call it, and which headers they see", async () => {
    const url = `${world.url}/inference.GRPCInferenceService/ModelInfer`;
    const asked = { "access-control-request-method": "POST", "access-control-request-headers": "authorization,x-own" };
    for (const [origin, allowed] of [["https://app.example.com", true], ["https://other.example.com", false]] as const) {
      const preflight = await fetch(url, { method: "OPTIONS", headers: { origin, ...asked } });
      expect(preflight.headers.get("access-control-allow-origin")).toBe(allowed ? origin : null);
      expect(preflight.headers.get("access-control-allow-headers")).toBe(allowed ? "authorization,x-own" : null);
      const headers = { origin, "content-type": "application/json", "authorization": `Bearer ${TOKEN}` };
      const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ modelName: "headers" }) });
      expect(answer.headers.get("access-control-allow-origin")).toBe(allowed ? origin : null);
      expect((await answer.json()).modelName).toBe("headers");
    }
  });
});

describe("a node that was started anew", () => {
  test("serves the same client, and knows none of its waybills", async () => {
    const clients = [await open(), await open({ protocol: "grpc" }), await open({}, world.socketUrl)];
    const kept = await clients[0]!.put(Tensor.from("UINT8", Uint8Array.of(1, 2, 3)));
    const running = clients.map((client) => failure(client.operator("wait").infer({}, { parameters: { what: "restart" } })));
    await until("the operators run", async () => {
      const outputs = await clients[0]!.operator("noted").infer({}, { parameters: { what: "restart started" } });
      return Number(infoOf(outputs)?.parameters.count) >= 1;
    });
    await world.restart();
    for (const error of await Promise.all(running)) {
      expect([error.code, errorDetail(error)?.reason]).toEqual([Code.Unavailable, "OUTCOME_UNKNOWN"]);
    }
    for (const client of clients) {
      const { x } = await client.operator("echo").infer({ x: Int32Array.of(5) }, { idempotent: true });
      expect((await x!.fetch()).toNumbers()).toEqual([5]);
    }
    expect((await failure(kept.fetch())).code).toBe(Code.PermissionDenied);
    await world.kill();
    for (const client of clients) {
      const error = await failure(client.operator("echo").infer({}, { timeoutMs: 5_000 }));
      expect(error.code).toBe(Code.Unavailable);
      await client.close();
    }
    await world.restart();
  });
});
