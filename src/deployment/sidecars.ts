import { join } from "node:path";
import type { WorkerPlan } from "./component-plan.ts";
import type { SidecarPlan } from "./sidecar-plan.ts";
import { SupervisedWorker, type WorkerHost } from "./supervised-worker.ts";

/** The sidecars of a running deployment, each supervised as a worker is. They start before the workers, and end after them. */
export class Sidecars {
  /** All of them, in the order of the definition. */
  readonly all: readonly SupervisedWorker[];
  readonly #folder: string;

  /**
   * @param plans what they are
   * @param folder where their sockets are
   */
  constructor(plans: readonly SidecarPlan[], folder: string, host: Omit<WorkerHost, "sidecarOf">) {
    this.#folder = folder;
    this.all = plans.map((plan) => new SupervisedWorker(this.#told(plan), { ...host, sidecarOf: () => undefined }));
  }

  /** Starts them, and waits until discovery has all of them. */
  async start(): Promise<void> {
    for (const sidecar of this.all) sidecar.start();
    await Promise.all(this.all.map(({ ready }) => ready));
  }

  /** What a worker is told of its sidecar; `undefined` where it has none. */
  addressFor({ sidecar }: Pick<WorkerPlan, "sidecar">): string | undefined {
    return sidecar === undefined ? undefined : `unix:${this.#socketOf(sidecar)}`;
  }

  /** Ends them; may be called again with less time. */
  async stop(drainMs: number): Promise<number[]> {
    return await Promise.all(this.all.map((sidecar) => sidecar.stop(drainMs)));
  }

  #socketOf(node: string): string {
    return join(this.#folder, `${node}.sock`);
  }

  #told({ node, options, tokens, ...plan }: SidecarPlan): WorkerPlan {
    const told = { ...options, node, socketPath: this.#socketOf(node) };
    const env: Record<string, string> = { WAYBILL_SIDECAR_OPTIONS: JSON.stringify(told) };
    if (tokens.length > 0) env.WAYBILL_SIDECAR_TOKENS = tokens.join("\n");
    return { ...plan, env: { ...env, ...plan.env } };
  }
}
