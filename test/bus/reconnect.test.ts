import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Bus, connectBus, connectMemory, fromConnection, MemoryBroker } from "../../src/bus/mod.ts";
import type { Broker } from "../../src/testing/nats-server.ts";
import {
  bytes,
  collect,
  countClients,
  eventually,
  openTunnel,
  ownConnections,
  rejection,
  sleep,
  statuses,
  withBroker,
  wsUrl,
} from "./support.ts";

/** A connection, and what closes it for good. */
type Opened = { bus: Bus; close: () => Promise<void> };

async function ours(urls: string): Promise<Opened> {
  const bus = await connectBus(urls);
  return { bus, close: () => bus.close() };
}

const kinds: Record<string, (broker: Broker) => Promise<Opened>> = {
  TCP: (broker) => ours(broker.tcpUrl),
  websocket: (broker) => ours(wsUrl(broker)),
};
for (const [name, connect] of Object.entries(ownConnections)) {
  kinds[name] = async (broker) => {
    const connection = await connect(broker);
    return { bus: fromConnection(connection), close: () => connection.close() };
  };
}

for (const [name, connect] of Object.entries(kinds)) {
  describe(`bus outage: ${name}`, () => {
    test("reports each outage once, keeps subscriptions and sends what was published meanwhile", async () => {
      await withBroker({}, async (broker) => {
        const { bus, close } = await connect(broker);
        const seen = statuses(bus);
        const texts = await collect(bus, "news");
        for (const round of ["1", "2"]) {
          await broker.kill();
          await eventually(() => !bus.connected && seen.at(-1) === "reconnecting", "the loss has been noticed");
          bus.publish("news", bytes(`a${round}`), { headers: { wb: "x" } });
          await sleep(300);
          bus.publish("news", bytes(`b${round}`));
          const flushed = bus.flush();
          await broker.restart();
          await flushed;
          expect(bus.connected).toBe(true);
          await eventually(() => texts.includes(`b${round}`), "what waited has arrived");
        }
        expect(texts).toEqual(["a1", "b1", "a2", "b2"]);
        expect(seen).toEqual(["disconnect", "reconnecting", "reconnect", "disconnect", "reconnecting", "reconnect"]);
        await close();
      });
    });
  });
}

describe("bus outage", () => {
  test("pings notice a network that loses everything", async () => {
    await withBroker({}, async (broker) => {
      for (const url of [broker.tcpUrl, wsUrl(broker)]) {
        const tunnel = await openTunnel(url);
        const bus = await connectBus(tunnel.url, { pingIntervalMs: 100 });
        const seen = statuses(bus);
        await bus.flush();
        tunnel.freeze();
        bus.publish("news", new Uint8Array(500_000));
        await eventually(() => seen.includes("reconnect"), `the connection to ${url} is back`);
        await bus.flush();
        expect(seen).toEqual(["disconnect", "reconnecting", "reconnect"]);
        await bus.close();
        await tunnel.close();
      }
    });
  });

  test("a page that becomes visible again looks whether its connection still stands", async () => {
    await withBroker({}, async (broker) => {
      const document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
      Object.assign(globalThis, { document });
      try {
        const tunnel = await openTunnel(wsUrl(broker));
        const bus = await connectBus(tunnel.url);
        const seen = statuses(bus);
        document.visibilityState = "visible";
        document.dispatchEvent(new Event("visibilitychange"));
        await sleep(100);
        expect(seen).toEqual([]);
        tunnel.freeze();
        document.dispatchEvent(new Event("visibilitychange"));
        await eventually(() => seen.includes("reconnect"), "it is back long before the next ping");
        await bus.close();
        await tunnel.close();
      } finally {
        Reflect.deleteProperty(globalThis, "document");
      }
    });
  });

  test("two connections of different kinds in one process each come back to their own", async () => {
    await withBroker({}, async (broker) => {
      const tcp = await connectBus(broker.tcpUrl);
      const webSocket = await connectBus(wsUrl(broker));
      expect([tcp.kind, webSocket.kind]).toEqual(["tcp", "websocket"]);
      const seen = [statuses(tcp), statuses(webSocket)];
      const texts = await collect(tcp, "news");
      await broker.kill();
      await eventually(() => !tcp.connected && !webSocket.connected, "both have noticed");
      await broker.restart();
      await eventually(() => tcp.connected && webSocket.connected, "both are back");
      webSocket.publish("news", bytes("hello"));
      await eventually(() => texts.length === 1, "it has arrived");
      expect(seen.flat()).toEqual(["disconnect", "reconnecting", "reconnect", "disconnect", "reconnecting", "reconnect"]);
      await tcp.close();
      await webSocket.close();
    });
  });

  test("goes over to a URL that did not answer at first", async () => {
    await withBroker({}, async (first) => {
      await withBroker({}, async (second) => {
        await first.kill();
        for (const urls of [[first.tcpUrl, second.tcpUrl], [wsUrl(first), wsUrl(second)]]) {
          const buses = await Promise.all([1, 2, 3, 4].map(() => connectBus(urls)));
          await first.restart();
          // Each on its own: one may be back before another has noticed.
          const noticed = buses.map((bus) => {
            return new Promise<void>((resolve) => bus.onStatus(({ type }) => type === "disconnect" && resolve()));
          });
          await second.kill();
          await Promise.all(noticed);
          await eventually(() => buses.every((bus) => bus.connected), "all are back");
          expect(await countClients(first)).toBe(4);
          for (const bus of buses) await bus.close();
          await second.restart();
          await first.kill();
        }
      });
    });
  });

  test("can be closed and drained while the broker is away, and does not come back", async () => {
    await withBroker({}, async (broker) => {
      for (const url of [broker.tcpUrl, wsUrl(broker)]) {
        const [first, second] = [await connectBus(url), await connectBus(url)];
        await collect(first, "news");
        await collect(second, "news");
        await broker.kill();
        await eventually(() => !first.connected && !second.connected, "the loss has been noticed");
        const flush = rejection(first.flush());
        await Promise.all([first.close(), second.drain()]);
        expect(ConnectError.from(await flush).code).toBe(Code.Unavailable);
        expect([await first.closed, await second.closed]).toEqual([undefined, undefined]);
        await broker.restart();
        await sleep(1000);
        expect(await countClients(broker)).toBe(0);
      }
    });
  });

  test("a caller's own connection is left open by close and drain", async () => {
    await withBroker({}, async (broker) => {
      for (const connect of Object.values(ownConnections)) {
        const connection = await connect(broker);
        const [first, second] = [fromConnection(connection), fromConnection(connection)];
        const texts = [await collect(first, "news"), await collect(second, "news")];
        await first.close();
        await second.drain();
        connection.publish("news", bytes("too late"));
        await connection.flush();
        expect(texts).toEqual([[], []]);
        const third = fromConnection(connection);
        await connection.close();
        expect(await third.closed).toBe(undefined);
        expect(() => third.publish("news", bytes("x"))).toThrow("closed");
      }
    });
  });

  test("keeps no more than it may while the broker is away", async () => {
    await withBroker({}, async (broker) => {
      const bus = await connectBus(broker.tcpUrl, { outboxMaxBytes: 100 });
      await broker.kill();
      await eventually(() => !bus.connected, "the loss has been noticed");
      bus.publish("a", new Uint8Array(60));
      expect(() => bus.publish("a", new Uint8Array(60))).toThrow("at most 100 bytes");
      await bus.close();
    });
  });

  test("the memory bus has hooks to play an outage", async () => {
    const broker = new MemoryBroker();
    const [receiver, sender] = [connectMemory(broker), connectMemory(broker)];
    const seen = statuses(receiver);
    const texts = await collect(receiver, "news");
    sender.publish("news", bytes("on its way"));
    receiver.disconnect();
    sender.publish("news", bytes("while away"));
    receiver.publish("news", bytes("waits"));
    expect((await rejection(sender.request("news", bytes("x")))).message).toContain("nobody listens");
    const flushed = receiver.flush();
    receiver.reconnect();
    await flushed;
    expect(texts).toEqual(["waits"]);
    expect(seen).toEqual(["disconnect", "reconnecting", "reconnect"]);
  });

  test("the memory broker loses what a test wants lost", async () => {
    const broker = new MemoryBroker({ deliver: (subject) => subject !== "lost" });
    const bus = connectMemory(broker);
    const texts = await collect(bus, ">");
    bus.publish("lost", bytes("1"));
    bus.publish("kept", bytes("2"));
    await bus.flush();
    expect(texts).toEqual(["2"]);
  });
});
