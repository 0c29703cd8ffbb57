import { describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectBus } from "../../src/bus/mod.ts";
import type { Broker } from "../../src/testing/nats-server.ts";
import { bytes, eventually, rejection, statuses, withBroker, withBus } from "./support.ts";
import { ca, clientCert, clientKey, serverCert, serverKey } from "./tls-fixture.ts";

/** Runs `body` with a broker that speaks TLS. */
async function withTlsBroker(tls: Record<string, unknown>, body: (broker: Broker) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-tls-"));
  try {
    const files = { "ca.pem": ca, "server.pem": serverCert, "server.key": serverKey };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const at = (name: string) => join(folder, name);
    const paths = { cert_file: at("server.pem"), key_file: at("server.key"), ca_file: at("ca.pem") };
    await withBroker({ websocketPort: false, extra: { tls: { ...paths, ...tls } } }, body);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const secureUrls = (broker: Broker) => {
  const { port } = new URL(broker.tcpUrl.replace(/^\w+:/, "http:"));
  return [`tls://127.0.0.1:${port}`, `tls://localhost:${port}`, `nats://127.0.0.1:${port}`, `nats://localhost:${port}`];
};

describe("bus over TLS", () => {
  test("trusts the authorities it is given, and reconnects", async () => {
    await withTlsBroker({}, async (broker) => {
      for (const url of secureUrls(broker)) {
        await withBus(url, { tls: { ca } }, async (bus) => {
          const seen = statuses(bus);
          bus.subscribe("echo", (message) => bus.publish(message.reply ?? "", message.payload));
          expect((await bus.request("echo", bytes("hello"))).payload.length).toBe(5);
          await broker.restart();
          await eventually(() => seen.includes("reconnect"), "it is back");
          expect((await bus.request("echo", bytes("hello"))).payload.length).toBe(5);
        });
      }
    });
  });

  test("refuses a broker that no known authority vouches for", async () => {
    await withTlsBroker({}, async (broker) => {
      for (const url of secureUrls(broker)) {
        const error = await rejection(connectBus(url));
        expect(ConnectError.from(error).code).toBe(Code.Unavailable);
        // Of the addresses of a name, the last one's failure is told.
        if (url.includes("127.0.0.1")) expect(error.message).toContain("certificate");
      }
    });
  });

  test("tls:// and the option refuse a broker without TLS", async () => {
    await withBroker({}, async (broker) => {
      const error = await rejection(connectBus(broker.tcpUrl.replace("nats:", "tls:")));
      expect(ConnectError.from(error).code).toBe(Code.Unavailable);
      expect((await rejection(connectBus(broker.tcpUrl, { tls: {} }))).message).toContain("Cannot connect");
    });
  });

  test("shows a client's certificate, and speaks TLS before the greeting where wanted", async () => {
    await withTlsBroker({ verify: true, handshake_first: true }, async (broker) => {
      const [url = ""] = secureUrls(broker);
      const tls = { ca, cert: clientCert, key: clientKey, handshakeFirst: true };
      await withBus(url, { tls }, (bus) => bus.flush());
      const error = await rejection(connectBus(url, { tls: { ca, handshakeFirst: true }, connectTimeoutMs: 2000 }));
      expect(ConnectError.from(error).code).toBe(Code.Unavailable);
    });
  });
});
