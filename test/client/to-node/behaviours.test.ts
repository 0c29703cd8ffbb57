import { afterAll, beforeAll, describe, test } from "bun:test";
import { type Client as WaybillClient, connect, type ConnectOptions } from "../../../mod.ts";
import { Client } from "../../../src/client/client.ts";
import { fetchWire } from "../../../src/client/to-node/fetch-wire.ts";
import { openNodeLink } from "../../../src/client/to-node/open-node-link.ts";
import { type Behaviour, fetchBehaviours, nodeBehaviours } from "../../runtimes/behaviours.ts";
import { thisRuntime } from "../../support/program.ts";
import { type NodeWorld, startNode, TOKEN } from "./node-world.ts";

let world: NodeWorld | undefined;

beforeAll(async () => {
  world = await startNode();
});

afterAll(() => world?.stop());

interface Way {
  readonly url: (world: NodeWorld) => string;
  readonly protocol?: "grpc";
  readonly behaviours?: readonly Behaviour[];
  readonly open?: (url: string, options: ConnectOptions) => Promise<WaybillClient>;
}

/** As in browsers and in workerd. */
async function connectByFetch(url: string, options: ConnectOptions): Promise<WaybillClient> {
  return new Client(await openNodeLink(url, options, fetchWire), options);
}

/**
 * What a broken connection comes to is the runtime's own matter: Deno's fetch sends the request again, Bun's meets kept connections
 * that are closed. Neither is used where Node's HTTP is there.
 */
const byFetch = thisRuntime === "node" ? fetchBehaviours : fetchBehaviours.filter(({ feature }) => feature !== "reconnect");

const tcp = ({ url }: NodeWorld) => url;
const unix = ({ socketUrl }: NodeWorld) => socketUrl;
const ways: Readonly<Record<string, Way>> = {
  "Connect": { url: tcp },
  "Connect and fetch": { url: tcp, behaviours: byFetch, open: connectByFetch },
  "gRPC": { url: tcp, protocol: "grpc" },
  "Connect on a Unix socket": { url: unix },
  "gRPC on a Unix socket": { url: unix, protocol: "grpc" },
};

for (const [way, { url, protocol, behaviours = nodeBehaviours, open = connect }] of Object.entries(ways)) {
  describe(`a client straight to a node, by ${way}`, () => {
    for (const { name, run } of behaviours) {
      test(name, async () => {
        const again = (to = url(world!)) => open(to, { protocol, token: TOKEN, connectTimeoutMs: 2_000 });
        const client = await again();
        try {
          await run(client, { connect: again, cut: () => Promise.resolve(world!.cut()) });
        } finally {
          await client.close();
        }
      });
    }
  });
}
