import type { Bus } from "../../src/bus/bus.ts";
import type { BusOptions } from "../../src/bus/options.ts";
import { connectBus } from "../../src/bus/connect.ts";
import { KvDiscovery, type KvDiscoveryOptions } from "../../src/discovery/mod.ts";
import { type BrokerOptions, launchNatsServer } from "../../src/testing/nats-server.ts";
import type { Participant, World } from "./support.ts";

/** A participant over a connection of its own. */
export interface KvParticipant extends Participant {
  readonly bus: Bus;
  readonly discovery: KvDiscovery;
}

/** A world around a real nats-server. */
export interface KvWorld extends World {
  readonly broker: Awaited<ReturnType<typeof launchNatsServer>>;
  join(options?: Partial<KvDiscoveryOptions>, bus?: BusOptions): Promise<KvParticipant>;
}

export async function kvWorld(options?: BrokerOptions): Promise<KvWorld> {
  const broker = await launchNatsServer(options);
  const joined: KvParticipant[] = [];
  return {
    broker,
    async join(discoveryOptions, busOptions) {
      const bus = await connectBus(broker.tcpUrl, { reconnectWaitMs: 20, ...busOptions });
      const discovery = new KvDiscovery(bus, { namespace: "demo", leaseMarginMs: 200, ...discoveryOptions });
      const participant = { bus, discovery, crash: () => bus.close() };
      joined.push(participant);
      return participant;
    },
    async close() {
      await Promise.all(joined.map(async ({ bus, discovery }) => {
        await discovery[Symbol.asyncDispose]();
        await bus.close();
      }));
      await broker.stop();
    },
  };
}
