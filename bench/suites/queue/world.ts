import type { Broker } from "../../../src/deployment/broker/broker.ts";
import { launchNatsServer } from "../../../src/testing/nats-server.ts";
import { Child } from "../../lib/child.ts";
import type { Execution } from "../../lib/idle-slots.ts";
import type { Load, Measured } from "../../lib/measure.ts";
import type { RunOptions } from "../../lib/suite.ts";

/** What a queue worker is asked for. */
interface Executions {
  readonly executions: readonly Execution[];
}

/** A broker, with the clients of product and floor; workers are added as a section wants them. */
export class QueueWorld {
  readonly broker: Broker;
  readonly product: Child;
  readonly floor: Child;
  readonly #options: RunOptions;
  readonly #productWorkers: Child[] = [];
  readonly #floorWorkers: Child[] = [];

  private constructor(options: RunOptions, broker: Broker, product: Child, floor: Child) {
    this.#options = options;
    this.broker = broker;
    this.product = product;
    this.floor = floor;
  }

  static async start(options: RunOptions): Promise<QueueWorld> {
    const { resources, runtime } = options;
    const broker = await resources.start(launchNatsServer());
    const [product, floor] = await Promise.all([
      Child.start(resources, runtime, "bench/programs/client.ts", broker.tcpUrl),
      Child.start(resources, runtime, "bench/floors/client.ts", broker.tcpUrl),
    ]);
    return new QueueWorld(options, broker, product, floor);
  }

  /** The single responders of the request plane's bench: `echo`, in memory and in files. */
  async startResponders(): Promise<void> {
    const { resources, runtime } = this.#options;
    await Promise.all([
      Child.start(resources, runtime, "bench/floors/responder.ts", this.broker.tcpUrl),
      Child.start(resources, runtime, "bench/programs/worker.ts", this.broker.tcpUrl),
    ]);
  }

  /** Adds workers of both kinds until there are so many. */
  async growTo(workers: number, slots: number): Promise<void> {
    const { resources, runtime } = this.#options;
    while (this.#productWorkers.length < workers) {
      const [product, floor] = await Promise.all([
        Child.start(resources, runtime, "bench/programs/queue-worker.ts", this.broker.tcpUrl, String(slots)),
        Child.start(resources, runtime, "bench/floors/queue-worker.ts", this.broker.tcpUrl, String(slots)),
      ]);
      this.#productWorkers.push(product);
      this.#floorWorkers.push(floor);
    }
  }

  /** Measures a load of the product and says what each worker executed meanwhile. */
  journaled(of: "product" | "floor", load: Load): Promise<{ measured: Measured; executions: readonly Execution[][] }> {
    const [client, workers] = of === "product" ? [this.product, this.#productWorkers] : [this.floor, this.#floorWorkers];
    return measureJournaled(client, workers, load);
  }
}

async function measureJournaled(client: Child, workers: readonly Child[], load: Load) {
  const journal = load.target.slice("queue-".length);
  const collect = () => Promise.all(workers.map((worker) => worker.ask<Executions>({ journal })));
  await collect();
  const measured = await client.run({ ...load, journal: true });
  const executions = (await collect()).map((worker) => [...worker.executions]);
  return { measured, executions };
}
