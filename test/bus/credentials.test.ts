import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { nkeys } from "nats";
import { type BusOptions, connectBus, fromConnection } from "../../src/bus/mod.ts";
import type { Broker, BrokerOptions } from "../../src/testing/nats-server.ts";
import { makeJwtUser } from "./jwt.ts";
import { bytes, collect, eventually, ownConnections, rejection, statuses, withBroker, withBus, wsUrl } from "./support.ts";

const urlsOf = (broker: Broker) => [broker.tcpUrl, wsUrl(broker)];

/** Connects over TCP and over a websocket, and makes a request. */
async function expectWelcome(broker: Broker, options: BusOptions): Promise<void> {
  for (const url of urlsOf(broker)) {
    await withBus(url, options, async (bus) => {
      bus.subscribe("echo", (message) => bus.publish(message.reply ?? "", message.payload));
      expect((await bus.request("echo", bytes("hello"))).payload.length).toBe(5);
    });
  }
}

/** Is refused over TCP and over a websocket, at once although it would wait for a broker. */
async function expectRefusal(broker: Broker, options: BusOptions): Promise<void> {
  for (const url of urlsOf(broker)) {
    const start = performance.now();
    const error = await rejection(connectBus(url, { ...options, waitOnFirstConnectMs: 30_000 }));
    expect(ConnectError.from(error).code).toBe(Code.Unauthenticated);
    expect(error.message).toContain(url);
    expect(performance.now() - start).toBeLessThan(5000);
    for (const secret of ["wrong", "s3cret"]) expect(`${error.stack}${error.message}`).not.toContain(secret);
  }
}

describe("bus credentials", () => {
  test("a token", async () => {
    await withBroker({ token: "s3cret" }, async (broker) => {
      await expectWelcome(broker, { token: "s3cret" });
      await expectRefusal(broker, { token: "wrong" });
      await expectRefusal(broker, {});
    });
  });

  test("a user and a password", async () => {
    await withBroker({ users: [{ user: "ada", password: "s3cret" }] }, async (broker) => {
      await expectWelcome(broker, { user: "ada", password: "s3cret" });
      await expectWelcome(broker, { user: () => "ada", password: () => "s3cret" });
      await expectRefusal(broker, { user: "ada", password: "wrong" });
    });
  });

  test("credentials in the URL, which never show", async () => {
    await withBroker({ users: [{ user: "ada", password: "p@ss/s3cret" }] }, async (broker) => {
      for (const url of urlsOf(broker)) {
        const withUser = (user: string) => url.replace("://", `://${user}@`);
        const right = withUser(`ada:${encodeURIComponent("p@ss/s3cret")}`);
        const records: unknown[] = [];
        const log = (...record: unknown[]) => void records.push(record);
        const logger = { debug: log, info: log, warn: log, error: log };
        await withBus(right, { logger }, (bus) => bus.flush());
        const error = await rejection(connectBus(withUser("ada:wrong"), { logger }));
        expect(error.message).not.toContain("wrong");
        expect(JSON.stringify(records)).toContain("127.0.0.1");
        expect(JSON.stringify(records)).not.toContain("s3cret");
        const twice = await rejection(connectBus([right, withUser("ada:wrong")]));
        expect(twice.message).toContain("same credentials");
        const both = await rejection(connectBus(right, { token: "x" }));
        expect(both.message).toContain("got both");
      }
    });
  });

  test("an nkey", async () => {
    const pair = nkeys.createUser();
    const seed = new TextDecoder().decode(pair.getSeed());
    const options: BrokerOptions = { extra: { authorization: { users: [{ nkey: pair.getPublicKey() }] } } };
    await withBroker(options, async (broker) => {
      await expectWelcome(broker, { nkeySeed: seed });
      await expectWelcome(broker, { nkeySeed: () => seed });
      await expectRefusal(broker, { nkeySeed: new TextDecoder().decode(nkeys.createUser().getSeed()) });
      const error = await rejection(connectBus(broker.tcpUrl, { nkeySeed: "SUwrong" }));
      expect(error.message).toBe(
        "[unauthenticated] Cannot authenticate to the broker: nkeySeed needs the seed of a user's nkey, got something else",
      );
    });
  });

  test("a JWT with its seed, or a creds file", async () => {
    const { extra, jwt, seed, creds } = makeJwtUser();
    await withBroker({ jetstream: false, extra }, async (broker) => {
      await expectWelcome(broker, { jwt, nkeySeed: seed });
      await expectWelcome(broker, { jwt: () => jwt, nkeySeed: () => seed });
      await expectWelcome(broker, { credentials: creds });
      await expectWelcome(broker, { credentials: () => creds });
      const stranger = makeJwtUser();
      await expectRefusal(broker, { jwt: stranger.jwt, nkeySeed: stranger.seed });
      const error = await rejection(connectBus(broker.tcpUrl, { credentials: "nonsense" }));
      expect(error.message).toContain("the text of a .creds file");
    });
  });

  test("functions are asked again at every reconnect, and one that throws does not end the connection", async () => {
    await withBroker({ users: [{ user: "ada", password: "s3cret" }] }, async (broker) => {
      const opened = await Promise.all(
        urlsOf(broker).map(async (url) => {
          const calls = { asked: 0 };
          const password = () => {
            if (++calls.asked === 2) throw new Error("The vault is closed");
            return calls.asked === 3 ? "wrong" : "s3cret";
          };
          const bus = await connectBus(url, { user: "ada", password });
          return { bus, calls, seen: statuses(bus) };
        }),
      );
      await broker.restart();
      for (const { bus, calls, seen } of opened) {
        await eventually(() => seen.includes("reconnect"), "the right password was found");
        expect(calls.asked).toBe(4);
        expect(seen.filter((type) => type !== "error")).toEqual(["disconnect", "reconnecting", "reconnect"]);
        expect(seen.filter((type) => type === "error").length).toBeGreaterThan(0);
        await bus.close();
      }
    });
  });

  test("a JWT that expires is replaced by the next one", async () => {
    const { extra, seed, issue } = makeJwtUser();
    await withBroker({ jetstream: false, extra }, async (broker) => {
      await Promise.all(
        urlsOf(broker).map(async (url) => {
          let issued = 0;
          await withBus(url, { jwt: () => issue(++issued === 1 ? 2 : 600), nkeySeed: seed }, async (bus) => {
            const seen = statuses(bus);
            await eventually(() => seen.includes("reconnect"), "it came back with a new one");
            expect(issued).toBe(2);
            await bus.flush();
          });
        }),
      );
    });
  });

  test("a first call that throws is told", async () => {
    await withBroker({}, async (broker) => {
      for (const url of urlsOf(broker)) {
        const token = () => {
          throw new Error("The vault is closed");
        };
        const error = await rejection(connectBus(url, { token, waitOnFirstConnectMs: 30_000 }));
        expect(error.message).toContain("The vault is closed");
        expect(ConnectError.from(error).code).toBe(Code.Unauthenticated);
      }
    });
  });

  test("a user with few permissions makes requests with an inbox prefix, and hears at once what is not permitted", async () => {
    const permissions = { publish: ["open.>"], subscribe: ["_INBOX_edge.>", "mine.>"] };
    const users = [{ user: "edge", password: "e", permissions }, { user: "server", password: "s" }];
    await withBroker({ users }, async (broker) => {
      await withBus(broker.tcpUrl, { user: "server", password: "s" }, async (server) => {
        server.subscribe("open.echo", (message) => server.publish(message.reply ?? "", message.payload));
        await server.flush();
        for (const url of urlsOf(broker)) {
          const user = { user: "edge", password: "e" };
          await withBus(url, { ...user, inboxPrefix: "_INBOX_edge" }, async (bus) => {
            const seen = statuses(bus);
            expect((await bus.request("open.echo", bytes("hello"))).payload.length).toBe(5);
            const publish = await rejection(bus.request("closed.echo", bytes("x"), { timeoutMs: 30_000 }));
            expect(ConnectError.from(publish).code).toBe(Code.PermissionDenied);
            expect(publish.message).toContain(`"closed.echo"`);
            await collect(bus, "theirs");
            expect(seen).toEqual(["error", "error"]);
          });
          await withBus(url, user, async (bus) => {
            for (const _ of [1, 2]) {
              const inbox = await rejection(bus.request("open.echo", bytes("x"), { timeoutMs: 30_000 }));
              expect(ConnectError.from(inbox).code).toBe(Code.PermissionDenied);
              expect(inbox.message).toContain("_INBOX.");
            }
          });
        }
      });
    });
  });

  test("a caller's own connection reports refusals the same way", async () => {
    const permissions = { denyPublish: ["closed.>"], denySubscribe: ["closed.>"] };
    // Whoever shows no credentials is this user.
    const users = [{ user: "anyone", password: "a", permissions }];
    await withBroker({ users, extra: { no_auth_user: "anyone" } }, async (broker) => {
      for (const connect of Object.values(ownConnections)) {
        const connection = await connect(broker);
        const bus = fromConnection(connection);
        const errors: Error[] = [];
        bus.onStatus((status) => void (status.type === "error" && errors.push(status.error)));
        const error = await rejection(bus.request("closed.echo", bytes("x"), { timeoutMs: 30_000 }));
        expect(ConnectError.from(error).code).toBe(Code.PermissionDenied);
        await collect(bus, "closed.news");
        expect(errors.map((each) => each.message)).toEqual([
          `[permission_denied] Cannot publish to "closed.echo": the broker does not permit it to this user`,
          `[permission_denied] Cannot subscribe to "closed.news": the broker does not permit it to this user`,
        ]);
        await connection.close();
      }
    });
  });
});
