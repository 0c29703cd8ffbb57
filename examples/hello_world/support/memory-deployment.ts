import type { Client } from "../../../mod.ts";
import { type FakeDeploymentOptions, startFakeDeployment } from "../../../src/testing/mod.ts";
import { operatorOf } from "../operators/mod.ts";
import type { WorkerGroup } from "./layout.ts";

/** Workers and clients in this process, joined by a broker in memory. */
export interface MemoryDeployment {
  /** The workers' names and instance ids. */
  readonly workers: readonly { readonly name: string; readonly instance: string }[];
  /** A new client. Close it when it is done. */
  connect(): Client;
  /** Drains the workers; resolves with the exit code, as a deployment of processes does. */
  stop(): Promise<number>;
}

/** Serves groups of workers in this process. */
export function startMemoryDeployment(groups: readonly WorkerGroup[]): Promise<MemoryDeployment> {
  return startInMemory(groups.flatMap(({ operator, count, settings }) => {
    return Array.from({ length: count }, (_, number) => {
      return { name: `${operator}.${number}`, operators: [operatorOf(operator, settings)] };
    });
  }));
}

/** Serves workers in this process. */
export async function startInMemory([first, ...others]: readonly FakeDeploymentOptions[]): Promise<MemoryDeployment> {
  if (first === undefined) throw new Error("Cannot start the workers: at least one must be asked for, got none");
  const deployment = await startFakeDeployment(first);
  const workers = [deployment.worker];
  for (const other of others) workers.push(await deployment.startWorker(other));
  return {
    workers: workers.map(({ name, instance }) => ({ name, instance })),
    connect: () => deployment.connect(),
    async stop() {
      await deployment.close();
      return 0;
    },
  };
}
