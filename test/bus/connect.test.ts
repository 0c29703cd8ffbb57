import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { type BusOptions, connectBus } from "../../src/bus/mod.ts";
import { testUnless } from "../support/skip.ts";
import { bytes, collect, countClients, eventually, rejection, sleep, withBroker, withBus, wsUrl } from "./support.ts";

async function refusal(urls: string | string[], options?: BusOptions): Promise<ConnectError> {
  return ConnectError.from(await rejection(connectBus(urls, options)));
}

describe("connectBus", () => {
  test("wants an explicit scheme and port", async () => {
    const wrong: Record<string, string> = {
      "127.0.0.1:4222": "scheme",
      "http://127.0.0.1:4222": "scheme",
      "nats:127.0.0.1:4222": "scheme",
      "": "scheme",
      "nats://127.0.0.1": "explicit port",
      "wss://broker.example/path:80": "explicit port",
      "ws://[::1]": "explicit port",
      "nats://user:secret@broker.example": "explicit port",
      "nats://:4222": "host",
      "nats://broker:99999": "host and a port",
    };
    for (const [url, rule] of Object.entries(wrong)) {
      const error = await refusal(url);
      expect([url, error.code]).toEqual([url, Code.InvalidArgument]);
      expect(error.message).toContain(rule);
      expect(error.message).not.toContain("secret");
    }
    expect((await refusal(["nats://127.0.0.1:1", "example:1"])).message).toContain(`urls[1]`);
    expect((await refusal([])).message).toContain("at least one URL");
  });

  test("refuses options that cannot work", async () => {
    const url = "nats://127.0.0.1:1";
    const wrong: [BusOptions, string][] = [
      [{ token: "a", user: "b" }, "got token and user"],
      [{ password: "a" }, "needs user"],
      [{ jwt: "a", credentials: "b" }, "got jwt and credentials"],
      [{ connectTimeoutMs: 0 }, "connectTimeoutMs needs a positive number, got 0"],
      [{ waitOnFirstConnectMs: -1 }, "waitOnFirstConnectMs needs a number from 0 on, got -1"],
      [{ pingIntervalMs: Number.NaN }, "pingIntervalMs"],
    ];
    for (const [options, rule] of wrong) {
      const error = await refusal(url, options);
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.message).toContain(rule);
    }
    expect((await refusal("wss://127.0.0.1:1", { tls: {} })).message).toContain("wss://");
    expect((await refusal([url, "ws://127.0.0.1:1"], { tls: {} })).message).toContain("wss://");
  });

  test("rejects with unavailable when no broker answers, and names the URLs", async () => {
    await withBroker({}, async (broker) => {
      await broker.kill();
      for (const urls of [[broker.tcpUrl], [wsUrl(broker)], [wsUrl(broker), broker.tcpUrl]]) {
        const error = await refusal(urls);
        expect(error.code).toBe(Code.Unavailable);
        for (const url of urls) expect(error.message).toContain(url);
      }
      expect((await refusal(`${wsUrl(broker)}/?token=secret`)).message).not.toContain("secret");
    });
  });

  test("prefers TCP in a mixed list, and falls back on the other kind", async () => {
    await withBroker({}, async (broker) => {
      await withBus([wsUrl(broker), broker.tcpUrl], {}, (bus) => Promise.resolve(expect(bus.kind).toBe("tcp")));
      await withBroker({}, async (dead) => {
        await dead.kill();
        await withBus([dead.tcpUrl, wsUrl(broker)], {}, (bus) => Promise.resolve(expect(bus.kind).toBe("websocket")));
      });
    });
  });

  test("waits for a broker that is not there yet, and no longer than told", async () => {
    await withBroker({}, async (broker) => {
      for (const url of [broker.tcpUrl, wsUrl(broker)]) {
        await broker.kill();
        const error = await refusal(url, { waitOnFirstConnectMs: 300 });
        expect(error.code).toBe(Code.Unavailable);
        expect(error.message).toContain("300 ms");
        const connecting = connectBus(url, { waitOnFirstConnectMs: 30_000 });
        await sleep(500);
        await broker.restart();
        const bus = await connecting;
        await bus.flush();
        await bus.close();
      }
    });
  });

  test("gives up when aborted: before, between and in the middle of dials", async () => {
    expect((await rejection(connectBus("nats://127.0.0.1:1", { signal: AbortSignal.abort(new Error("Before")) }))).message)
      .toBe("Before");
    // Accepts connections and stays silent.
    const sockets = new Set<{ destroy(): void }>();
    const silent = createServer((socket) => void sockets.add(socket.on("error", () => {})));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as { port: number };
    try {
      for (const scheme of ["nats", "ws"]) {
        const controller = new AbortController();
        const start = performance.now();
        const connecting = rejection(connectBus(`${scheme}://127.0.0.1:${port}`, { signal: controller.signal }));
        await sleep(100);
        controller.abort(new Error("Enough"));
        expect((await connecting).message).toBe("Enough");
        expect(performance.now() - start).toBeLessThan(3000);
        const late = await refusal(`${scheme}://127.0.0.1:${port}`, { connectTimeoutMs: 200 });
        expect(late.code).toBe(Code.Unavailable);
        expect(late.message).toContain("200 ms");
      }
    } finally {
      for (const socket of sockets) socket.destroy();
      silent.close();
    }
    await withBroker({}, async (broker) => {
      await broker.kill();
      const controller = new AbortController();
      const connecting = rejection(connectBus(broker.tcpUrl, { signal: controller.signal, waitOnFirstConnectMs: 30_000 }));
      await sleep(300);
      controller.abort(new Error("Between"));
      expect((await connecting).message).toBe("Between");
    });
  });

  test("does not dial when it was aborted while the client was loaded", async () => {
    const dialled: string[] = [];
    const controller = new AbortController();
    const webSocketFactory = (url: string) => {
      dialled.push(url);
      return new WebSocket(url);
    };
    const connecting = rejection(connectBus("ws://127.0.0.1:1", { signal: controller.signal, webSocketFactory }));
    controller.abort(new Error("Early"));
    expect((await connecting).message).toBe("Early");
    expect(dialled).toEqual([]);
  });

  test("an aborted connect leaves no connection behind", async () => {
    await withBroker({}, async (broker) => {
      for (const url of [broker.tcpUrl, wsUrl(broker)]) {
        for (let tries = 0; tries < 20; tries++) {
          const controller = new AbortController();
          const connecting = connectBus(url, { signal: controller.signal }).then((bus) => bus.close(), () => {});
          setTimeout(() => controller.abort(), tries / 2);
          await connecting;
        }
      }
      await eventually(async () => await countClients(broker) === 0, "all connections are gone");
    });
  });

  test("opens websockets with the factory it is given", async () => {
    await withBroker({}, async (broker) => {
      const opened: string[] = [];
      const webSocketFactory = (url: string) => {
        opened.push(url);
        return new WebSocket(url);
      };
      await withBus(wsUrl(broker), { webSocketFactory }, async (bus) => {
        const texts = await collect(bus, "news");
        bus.publish("news", bytes("hello"));
        await bus.flush();
        expect(texts).toEqual(["hello"]);
      });
      expect(opened.length).toBe(1);
      const factoryError = await refusal(wsUrl(broker), {
        webSocketFactory: () => {
          throw new Error("No sockets today");
        },
      });
      expect(factoryError.message).toContain("No sockets today");
    });
  });

  const withoutGlobal = "Deno" in globalThis ? "Deno has npm ws, without the global WebSocket" : undefined;
  testUnless(withoutGlobal, "says what is missing where the runtime has no WebSocket", async () => {
    const original = globalThis.WebSocket;
    Reflect.deleteProperty(globalThis, "WebSocket");
    try {
      const error = await refusal("ws://127.0.0.1:1");
      expect(error.code).toBe(Code.FailedPrecondition);
      expect(error.message).toContain("webSocketFactory");
    } finally {
      globalThis.WebSocket = original;
    }
  });

  test("knows what the broker is set to", async () => {
    await withBroker({ maxPayloadBytes: 4096 }, async (broker) => {
      await withBus(broker.tcpUrl, { name: "a test" }, async (bus) => {
        expect([bus.maxPayloadBytes, bus.canStore]).toEqual([4096, true]);
        expect(() => bus.publish("a", new Uint8Array(4097))).toThrow("4096");
        const connz = await (await fetch(`${broker.monitorUrl}/connz`)).json() as { connections: { name: string }[] };
        expect(connz.connections.map(({ name }) => name)).toEqual(["a test"]);
      });
    });
    await withBroker({ jetstream: false }, async (broker) => {
      await withBus(wsUrl(broker), {}, (bus) => Promise.resolve(expect(bus.canStore).toBe(false)));
    });
  });
});
