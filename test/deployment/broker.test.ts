import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "nats";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Broker, type BrokerOptions, startBroker } from "../../src/deployment/broker/broker.ts";
import { launchNatsServer } from "../../src/testing/nats-server.ts";
import { isRunning, startProgram, until } from "../support/program.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "waybill-broker-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function withBroker(options: BrokerOptions, use: (broker: Broker) => Promise<void>): Promise<void> {
  const broker = await launchNatsServer(options);
  try {
    await use(broker);
  } finally {
    await broker.stop();
  }
}

/** The error that starting ends with. */
async function failure(options: BrokerOptions): Promise<ConnectError> {
  try {
    await (await startBroker(options)).stop();
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("It started");
}

async function fakeServer(name: string, body: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

/** What the broker answers to a websocket handshake of a page. */
function handshake(wsUrl: string | undefined, origin?: string): Promise<number> {
  const headers: Record<string, string> = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...(origin === undefined ? {} : { origin }),
  };
  return new Promise((resolve, reject) => {
    const sent = request((wsUrl ?? "").replace("ws:", "http:"), { headers });
    sent.once("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.once("upgrade", (response, socket) => {
      socket.destroy();
      resolve(response.statusCode ?? 101);
    });
    sent.once("error", reject);
    sent.end();
  });
}

describe("a broker", () => {
  test("listens on free ports of the loopback address, with storage and monitoring", async () => {
    await withBroker({}, async (broker) => {
      expect(broker.tcpUrl).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
      expect(broker.wsUrl).toMatch(/^ws:\/\/127\.0\.0\.1:\d+$/);
      const varz = await (await fetch(`${broker.monitorUrl}/varz`)).json();
      expect(varz.jetstream.config.store_dir).toContain(broker.dir);
      const connection = await connect({ servers: broker.tcpUrl });
      await (await connection.jetstreamManager()).streams.add({ name: "s", subjects: ["s"] });
      await connection.close();
    });
  });

  test("takes websocket connections from the origins that it was given, and from programs", async () => {
    await withBroker({ allowedOrigins: ["https://app.example.com"] }, async ({ wsUrl }) => {
      expect(await handshake(wsUrl)).toBe(101);
      expect(await handshake(wsUrl, "https://app.example.com")).toBe(101);
      expect(await handshake(wsUrl, "https://evil.example.com")).toBe(403);
    });
    await withBroker({}, async ({ wsUrl }) => {
      expect(await handshake(wsUrl)).toBe(101);
      expect(await handshake(wsUrl, "https://app.example.com")).toBe(403);
    });
    await withBroker({ allowedOrigins: ["*"] }, async ({ wsUrl }) => expect(await handshake(wsUrl, "https://a.com")).toBe(101));
  });

  test("keeps users to their permissions, and strangers out", async () => {
    const users = [{ user: "edge", password: "p\"$1'", permissions: { publish: ["wb.>"], subscribe: ["_INBOX.>"] } }];
    await withBroker({ users, maxPayloadBytes: 2048 }, async ({ tcpUrl }) => {
      await expect(connect({ servers: tcpUrl, reconnect: false })).rejects.toThrow("Authorization Violation");
      const connection = await connect({ servers: tcpUrl, user: "edge", pass: "p\"$1'" });
      expect(connection.info?.max_payload).toBe(2048);
      const denied = connection.subscribe("wb.secret");
      await expect((async () => {
        for await (const _ of denied);
      })()).rejects.toThrow("Permissions Violation");
      await connection.close();
    });
  });

  test("ends with stop, which removes its temporary folder", async () => {
    const broker = await launchNatsServer();
    const { pid, dir } = broker;
    expect(await isRunning(pid)).toBe(true);
    await Promise.all([broker.stop(), broker.stop()]);
    await broker[Symbol.asyncDispose]();
    expect(await isRunning(pid)).toBe(false);
    await expect(stat(dir)).rejects.toThrow("ENOENT");
  });

  test("keeps a folder that it was given", async () => {
    const dir = join(folder, "kept");
    await withBroker({ dir }, () => Promise.resolve());
    expect(await readdir(dir)).toContain("nats-server.log");
  });

  test("comes back after a crash on the same ports, with what it stored", async () => {
    await withBroker({}, async (broker) => {
      const { pid, tcpUrl, wsUrl, monitorUrl } = broker;
      const before = await connect({ servers: tcpUrl });
      await (await before.jetstreamManager()).streams.add({ name: "s", subjects: ["s"] });
      await before.jetstream().publish("s");
      await before.close();
      await broker.kill();
      expect((await broker.exited).signal).toBe("SIGKILL");
      await broker.restart();
      expect([broker.tcpUrl, broker.wsUrl, broker.monitorUrl]).toEqual([tcpUrl, wsUrl, monitorUrl]);
      expect(broker.pid).not.toBe(pid);
      const after = await connect({ servers: tcpUrl });
      expect((await (await after.jetstreamManager()).streams.info("s")).state.messages).toBe(1);
      await after.close();
    });
  });

  test("ends when the process that started it is killed, and leaves no files", async () => {
    const program = startProgram("test/fixtures/start-broker.ts");
    const [, number, dir = ""] = await program.waitFor(/broker (\d+) in (.*)\./, 50_000);
    const pid = Number(number);
    expect(await isRunning(pid)).toBe(true);
    await program.kill("SIGKILL");
    await until("the broker has ended", async () => !await isRunning(pid));
    await until("its folder is gone", () => stat(dir).then(() => false, () => true));
  });
});

describe("starting a broker", () => {
  test("names the port that is taken, in the end of the log", async () => {
    await withBroker({}, async ({ tcpUrl }) => {
      const error = await failure({ port: Number(new URL(tcpUrl).port) });
      expect(error.code).toBe(Code.FailedPrecondition);
      expect(error.rawMessage).toContain("Cannot start the broker");
      expect(error.rawMessage).toContain("address already in use");
    });
  });

  test("says what is wrong with the configuration", async () => {
    const error = await failure({ extra: { tls: { cert_file: "/nowhere.pem", key_file: "/nowhere.key" } } });
    expect(error.code).toBe(Code.FailedPrecondition);
    expect(error.rawMessage).toContain("/nowhere.pem");
  });

  test("fails where the binary is missing", async () => {
    const error = await failure({ binary: join(folder, "nowhere") });
    expect(error.rawMessage).toContain("Cannot start the broker");
  });

  test("gives up when it does not listen in time, or when aborted, and leaves no process", async () => {
    const binary = await fakeServer("deaf", `echo $$ >> ${folder}/deaf.pid; exec sleep 100`);
    const late = await failure({ binary, startTimeoutMs: 300 });
    expect(late.code).toBe(Code.DeadlineExceeded);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("enough")), 300);
    await expect(startBroker({ binary, signal: controller.signal })).rejects.toThrow("enough");
    const pids = (await readFile(join(folder, "deaf.pid"), "utf8")).trim().split("\n").map(Number);
    expect(pids).toHaveLength(2);
    for (const pid of pids) expect(await isRunning(pid)).toBe(false);
  });
});
