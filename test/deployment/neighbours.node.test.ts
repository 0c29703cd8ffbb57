// On one runtime: what is tested is processes and a broker, which are the same under each.
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { connect } from "../../mod.ts";
import type { Client } from "../../src/client/client.ts";
import { defineDeployment, type Deployment, type DeploymentOptions, startDeployment } from "../../src/deployment/mod.ts";
import { launchNatsServer } from "../../src/testing/mod.ts";
import { failure } from "../support/waiting.ts";
import { startLoad } from "./load.ts";
import { fixture, testOptions, withFolder } from "./support.ts";

/** Two deployments of the same operator, which tells whose it is. */
async function withTwo(
  options: (which: string) => Partial<DeploymentOptions>,
  use: (two: { deployment: Deployment; client: Client; which: string }[], folder: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const two: { deployment: Deployment; client: Client; which: string }[] = [];
    try {
      for (const which of ["one", "two"]) {
        const workers = [{ name: "answering", file: fixture("versioned.ts"), args: [`answer=${which}`] }];
        const definition = defineDeployment(testOptions(folder, { workers, logDir: join(folder, which), ...options(which) }));
        const deployment = await startDeployment(definition, { stateDir: join(folder, "state") });
        const { namespace } = deployment.status();
        two.push({ deployment, client: await connect(deployment.clientUrls(), { namespace }), which });
      }
      await use(two, folder);
    } finally {
      for (const { client, deployment } of two) {
        await client.close();
        await deployment.stop({ drainMs: 0 });
      }
    }
  });
}

/** Each client hears its own deployment alone, also while the other one changes and ends. */
async function expectApart(two: readonly { deployment: Deployment; client: Client; which: string }[]): Promise<void> {
  const loads = two.map(({ client }) => startLoad(client, 4));
  const [first, second] = two;
  const changed = async () => {
    await first?.deployment.scale("answering", 2);
    await second?.deployment.restart("answering");
    await first?.deployment.scale("answering", 1);
  };
  const [change] = await Promise.allSettled([changed()]);
  const results = await Promise.all(loads.map((load) => load.stop()));
  expect(change?.status).toBe("fulfilled");
  for (const [index, { client, deployment, which }] of two.entries()) {
    const [operator, ...others] = await client.operators();
    expect([operator?.name, others.map(({ name }) => name)]).toEqual(["answer", []]);
    expect(operator?.instances.map(({ id }) => id)).toEqual(
      deployment.workers.map(({ instance = "" }) => instance),
    );
    const result = results[index];
    expect(result?.failures).toEqual([]);
    expect([...result?.texts.keys() ?? []]).toEqual([which]);
  }
}

describe("two deployments on one machine", () => {
  test("do not meet with brokers of their own, though their names and namespaces are the same", async () => {
    await withTwo(() => ({}), async (two, folder) => {
      expect(two.map(({ deployment }) => deployment.name)).toEqual(["default", "default-2"]);
      await expectApart(two);
      // A third one that would write into the first one's logs.
      const definition = defineDeployment(testOptions(folder, { logDir: join(folder, "one") }));
      const error = await failure(startDeployment(definition, { stateDir: join(folder, "state") }));
      expect(error.rawMessage).toBe(
        `Cannot start the deployment "default-3": it would write to "${
          join(folder, "one")
        }", as the running deployment "default" does; give it another folder (logDir, --log-dir; broker.dataDir)`,
      );
      await two[0]?.deployment.stop();
      const { texts } = await startLoad(two[1]?.client as Client, 1).stop();
      expect([...texts.keys()]).toEqual(["two"]);
    });
  });

  test("do not meet on one broker, where their namespaces tell them apart", async () => {
    const broker = await launchNatsServer();
    try {
      await withTwo((which) => ({ servers: broker.tcpUrl, namespace: which }), async (two) => {
        expect(two.map(({ deployment }) => deployment.name)).toEqual(["one", "two"]);
        await expectApart(two);
      });
    } finally {
      await broker.stop();
    }
  });
});

describe("a deployment's broker", () => {
  test("says which queue does not fit its memory, and what to do about it", async () => {
    await withFolder(async (folder) => {
      const broker = { port: 0, websocketPort: 0, maxMemoryBytes: 2 ** 20 };
      const definition = defineDeployment(testOptions(folder, { broker, startTimeoutMs: 20_000 }));
      const error = await failure(startDeployment(definition, { stateDir: join(folder, "state") }));
      expect(error.rawMessage).toMatch(
        /Cannot declare the queue of operator \\?"(double|who)\\?": its 67108864 bytes \(maxQueuedBytes\) must fit the broker's memory \(maxMemoryBytes, max_mem\)/,
      );
    });
  });
});
