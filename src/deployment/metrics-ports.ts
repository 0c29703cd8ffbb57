import { Code } from "@connectrpc/connect";
import { fault } from "../rpc/error.ts";
import { isFree } from "./ports.ts";

const highestPort = 65_535;

/** Metrics ports for workers that come while a deployment runs: the lowest that no worker of it has, and nobody else. */
export class MetricsPorts {
  readonly #first: number | undefined;
  readonly #taken = new Set<number>();

  /** @param first where they begin; `undefined` where metrics are off */
  constructor(first: number | undefined) {
    this.#first = first;
  }

  /** Notes a port that a worker has. */
  note(port: number | undefined): void {
    if (port !== undefined) this.#taken.add(port);
  }

  /**
   * Takes a port.
   *
   * @returns `undefined` where metrics are off
   * @throws {ConnectError} `resource_exhausted` when none is left
   */
  async take(): Promise<number | undefined> {
    if (this.#first === undefined) return undefined;
    for (let port = this.#first; port <= highestPort; port++) {
      if (this.#taken.has(port)) continue;
      // Before it is looked at, since others take ports meanwhile.
      this.#taken.add(port);
      if (await isFree(port)) return port;
      this.#taken.delete(port);
    }
    const text = `Cannot start a worker: it needs a free port for its metrics, from ${this.#first} to ${highestPort}`;
    throw fault(text, Code.ResourceExhausted);
  }

  /** Gives a port back. */
  release(port: number | undefined): void {
    if (port !== undefined) this.#taken.delete(port);
  }
}
