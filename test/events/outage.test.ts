import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Client, Code, connect } from "../../mod.ts";
import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { until } from "../support/program.ts";
import { openRelay, type Relay } from "../support/relay.ts";
import { failure } from "../support/waiting.ts";

describe("events through an outage", () => {
  let broker: Broker;
  let relay: Relay;
  let far: Client;
  let near: Client;
  beforeAll(async () => {
    broker = await launchNatsServer();
    relay = await openRelay(broker.tcpUrl);
    near = await connect(relay.url, { reconnectWaitMs: 50 });
    far = await connect(broker.tcpUrl);
  });
  afterAll(async () => {
    await near.close();
    await far.close();
    await relay.close();
    await broker.stop();
  });

  test("are kept by their publisher until it is over, and subscriptions go on after it", async () => {
    const [here, there] = [await near.events.subscribe("n"), await far.events.subscribe("n")];
    relay.part();
    await until("the loss is noticed", () => !near.bus.connected);
    // Nobody stores what others publish meanwhile.
    await far.events.publish("n", "missed");
    const late = await failure(near.events.publish("n", "late", { timeoutMs: 50 }));
    expect(late.code).toBe(Code.DeadlineExceeded);
    const aborting = new AbortController();
    const aborted = failure(near.events.publish("n", "aborted", { signal: aborting.signal }));
    await Promise.resolve();
    aborting.abort();
    expect((await aborted).code).toBe(Code.Canceled);
    const waiting = near.events.publish("n", "waits");
    relay.join();
    await waiting;
    await far.events.publish("n", "after");
    const got = async (subscription: typeof here) => {
      const texts: string[] = [];
      while (texts.at(-1) !== "after") texts.push((await subscription.next({ timeoutMs: 10_000 })).json<string>());
      return texts;
    };
    // Giving up the wait does not call a sent event back; one that is aborted at once may not have been sent.
    expect((await got(there)).filter((text) => text !== "aborted")).toEqual(["missed", "late", "waits", "after"]);
    expect((await got(here)).filter((text) => text !== "aborted")).toEqual(["late", "waits", "after"]);
  });
});
