import { type Broker, type BrokerOptions, startBroker } from "../deployment/broker/broker.ts";

export type { Broker, BrokerExit, BrokerOptions } from "../deployment/broker/broker.ts";
export type { BrokerAccount, BrokerConfig, BrokerPermissions, BrokerUser } from "../deployment/broker/server-config.ts";

/**
 * Runs a real nats-server for a test, on free ports and in a temporary folder, and finds or obtains one where there is none.
 *
 * ```ts
 * const broker = await launchNatsServer();
 * try {
 *   const client = await connect(broker.tcpUrl);
 * } finally {
 *   await broker.stop();
 * }
 * ```
 */
export function launchNatsServer(options: BrokerOptions = {}): Promise<Broker> {
  // A first start may have to build the broker, and a busy machine may start it slowly.
  return startBroker({ startTimeoutMs: 30_000, ...options });
}
