/**
 * Helpers for tests of your own operators and clients: a broker in memory, a worker in the same process, a real nats-server.
 *
 * @module
 */
export { connectMemory, MemoryBroker } from "../bus/mod.ts";
export { MemoryDiscovery } from "../discovery/mod.ts";
export { startFakeDeployment } from "./fake-deployment.ts";
export { launchNatsServer } from "./nats-server.ts";

export type { FakeDeployment, FakeDeploymentOptions } from "./fake-deployment.ts";
export type { Broker, BrokerOptions } from "./nats-server.ts";
