import { afterAll, afterEach, beforeAll } from "bun:test";
import type { Bus } from "../../src/bus/mod.ts";
import type { Client, ClientOptions } from "../../src/client/client.ts";
import { clientOver } from "../../src/client/connect.ts";
import { StaticDiscovery } from "../../src/discovery/mod.ts";
import type { BusHost, BusKind } from "../bus/support.ts";

/** Clients on a bus of one kind, for the tests of one group: each ends with its test. */
export function clientsOn(kind: BusKind): (options?: ClientOptions) => Promise<Client> {
  let host: BusHost;
  let open: (Client | Bus)[] = [];
  beforeAll(async () => {
    host = await kind.start();
  });
  afterEach(async () => {
    for (const closable of open) await closable.close();
    open = [];
  });
  afterAll(() => host.stop());
  return async (options = {}) => {
    const bus = await host.connect();
    const client = clientOver(bus, new StaticDiscovery({}), options);
    open.push(client, bus);
    return client;
  };
}
