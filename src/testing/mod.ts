/**
 * Helpers for tests of your own operators and clients.
 *
 * - {@linkcode startFakeDeployment} serves operators in the same process, over a broker in memory: no files, no ports.
 * - {@linkcode launchNatsServer} runs a real nats-server for what needs one: the durable queue, several processes, outages.
 *
 * @example
 * ```ts
 * const { client, close } = await startFakeDeployment({ operators: [double] });
 * const { y } = await client.operator("double").infer({ x: new Float32Array([1, 2]) });
 * await close();
 * ```
 *
 * @module
 */
export { connectMemory, MemoryBroker } from "../bus/mod.ts";
export { startFakeDeployment } from "./fake-deployment.ts";
export { launchNatsServer } from "./nats-server.ts";

export type { FakeDeployment, FakeDeploymentOptions } from "./fake-deployment.ts";
export type {
  Broker,
  BrokerAccount,
  BrokerConfig,
  BrokerExit,
  BrokerOptions,
  BrokerPermissions,
  BrokerUser,
} from "./nats-server.ts";
export type { MemoryBrokerOptions, MemoryBus, MemoryBusOptions } from "../bus/mod.ts";
