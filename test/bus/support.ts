import { connect as dialTcp, createServer, type Server, type Socket } from "node:net";
import { connect as natsIoTcp } from "@nats-io/transport-node";
import { wsconnect as natsIoWs } from "@nats-io/nats-core";
import { connect as natsTcp } from "nats";
import { connect as natsWs } from "nats.ws";
import {
  type Bus,
  type BusMessage,
  type BusOptions,
  type BusStatus,
  connectBus,
  connectMemory,
  fromConnection,
  MemoryBroker,
  type NatsConnectionLike,
} from "../../src/bus/mod.ts";
import { type Broker, type BrokerOptions, launchNatsServer } from "../../src/testing/nats-server.ts";

/** A kind of bus that every behaviour is tested on. */
export interface BusKind {
  readonly name: string;
  /** Starts what its connections need, with a largest message of 1 MiB. */
  start(): Promise<BusHost>;
}

/** Where buses of one kind connect to. */
export interface BusHost {
  connect(): Promise<Bus>;
  stop(): Promise<void>;
}

/** Messages to check that a caller's connection of any client is accepted, as TypeScript sees it too. */
type OwnConnect = (broker: Broker) => Promise<NatsConnectionLike>;

const settings = { noAsyncTraces: true, maxReconnectAttempts: -1, reconnectTimeWait: 100, reconnectJitter: 50 };

/** A caller's own connections, by client. */
export const ownConnections: Readonly<Record<string, OwnConnect>> = {
  "own connection of nats": (broker) => natsTcp({ servers: broker.tcpUrl, ...settings }),
  "own connection of nats.ws": (broker) => natsWs({ servers: wsUrl(broker), ...settings }),
  "own connection of @nats-io over TCP": (broker) => natsIoTcp({ servers: broker.tcpUrl, ...settings }),
  "own connection of @nats-io over websocket": (broker) => natsIoWs({ servers: wsUrl(broker), ...settings }),
};

/** Every kind of bus. */
export const busKinds: readonly BusKind[] = [
  { name: "memory", start: () => Promise.resolve(memoryHost()) },
  { name: "TCP", start: () => natsHost((broker) => connectBus(broker.tcpUrl)) },
  { name: "websocket", start: () => natsHost((broker) => connectBus(wsUrl(broker))) },
  ...Object.entries(ownConnections).map(([name, connect]) => ({ name, start: () => ownHost(connect) })),
];

function memoryHost(): BusHost {
  const broker = new MemoryBroker();
  return { connect: () => Promise.resolve(connectMemory(broker)), stop: () => Promise.resolve() };
}

async function natsHost(connect: (broker: Broker) => Promise<Bus>): Promise<BusHost> {
  const broker = await launchNatsServer();
  return { connect: () => connect(broker), stop: () => broker.stop() };
}

async function ownHost(connect: OwnConnect): Promise<BusHost> {
  const broker = await launchNatsServer();
  const connections: NatsConnectionLike[] = [];
  return {
    async connect() {
      const connection = await connect(broker);
      connections.push(connection);
      return fromConnection(connection);
    },
    async stop() {
      for (const connection of connections) await connection.close();
      await broker.stop();
    },
  };
}

/** The websocket URL of a broker that has one. */
export function wsUrl(broker: Broker): string {
  if (broker.wsUrl === undefined) throw new Error("The broker has no websocket");
  return broker.wsUrl;
}

/** Runs `body` with a broker of its own. */
export async function withBroker(options: BrokerOptions, body: (broker: Broker) => Promise<void>): Promise<void> {
  const broker = await launchNatsServer(options);
  try {
    await body(broker);
  } finally {
    await broker.stop();
  }
}

/** Runs `body` with a connection, and closes it. */
export async function withBus(urls: string | string[], options: BusOptions, body: (bus: Bus) => Promise<void>): Promise<void> {
  const bus = await connectBus(urls, options);
  try {
    await body(bus);
  } finally {
    await bus.close();
  }
}

/** Text as a payload. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A payload as text. */
export function text(message: BusMessage): string {
  return new TextDecoder().decode(message.payload);
}

/** The texts that arrive on a subject, in order; by the time this settles, the subscription is in place. */
export async function collect(bus: Bus, subject: string, queue?: string): Promise<string[]> {
  const texts: string[] = [];
  bus.subscribe(subject, (message) => void texts.push(text(message)), { queue });
  await bus.flush();
  return texts;
}

/** The types of what happens to a connection, in order. */
export function statuses(bus: Bus): BusStatus["type"][] {
  const types: BusStatus["type"][] = [];
  bus.onStatus((status) => void types.push(status.type));
  return types;
}

/** Waits until `isSo` answers true. */
export async function eventually(isSo: () => boolean | Promise<boolean>, what: string, timeoutMs = 10_000): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  while (!await isSo()) {
    if (performance.now() > giveUpAt) throw new Error(`Not so within ${timeoutMs} ms: ${what}`);
    await sleep(10);
  }
}

/** Waits. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("Expected a rejection");
}

/** How many clients the broker has. */
export async function countClients(broker: Broker): Promise<number> {
  const { num_connections: count } = await (await fetch(`${broker.monitorUrl}/connz`)).json() as { num_connections: number };
  return count;
}

/** A path to a broker that can go dead without closing, as a network does that loses its packets. */
export interface Tunnel {
  readonly url: string;
  /** From now on nothing gets through on the connections there are; new ones do. */
  freeze(): void;
  close(): Promise<void>;
}

/** Opens a path to `url`. */
export async function openTunnel(url: string): Promise<Tunnel> {
  const { hostname, port, protocol } = new URL(url);
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = dialTcp(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => [near, far].forEach((end) => end.destroy()));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address() as { port: number };
  return {
    url: `${protocol}//127.0.0.1:${address.port}`,
    freeze: () => sockets.forEach((socket) => socket.unpipe().pause()),
    async close() {
      sockets.forEach((socket) => socket.destroy());
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
