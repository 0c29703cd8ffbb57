import { hostname } from "node:os";
import { Code } from "@connectrpc/connect";
import type { Client } from "../client/client.ts";
import type { DiscoveryEvent } from "../discovery/discovery.ts";
import { fault } from "../rpc/error.ts";
import type { Guard } from "./broker/guard.ts";
import { Component, type ComponentHost, type Leaving } from "./component.ts";
import type { ComponentPlan } from "./component-plan.ts";
import type { DeploymentEvent } from "./events.ts";
import { MetricsPorts } from "./metrics-ports.ts";
import type { DeploymentPlan } from "./plan.ts";
import { Sidecars } from "./sidecars.ts";
import type { SupervisedWorker } from "./supervised-worker.ts";
import { endVersion, lastVersions } from "./versions-left.ts";

/** How long the broker may take to forget an instance; the lease does it otherwise. */
const forgetMs = 5_000;

/** What a fleet needs of its deployment. */
export interface FleetHost {
  readonly plan: DeploymentPlan;
  /** Brokers for the workers. */
  readonly servers: readonly string[];
  readonly login: ComponentHost["login"];
  /** Where the sockets of sidecars are. */
  readonly socketFolder: string;
  readonly guard: Guard;
  readonly client: Client;
  readonly emit: (event: DeploymentEvent) => void;
}

/** All components of a running deployment. */
export class Fleet {
  readonly #host: ComponentHost;
  readonly #client: Client;
  readonly #components = new Map<string, Component>();
  /** They start before the workers, and end after them. */
  readonly sidecars: Sidecars;
  /** What is decided of the deployment now. */
  plan: DeploymentPlan;

  constructor({ plan, servers, login, socketFolder, guard, client, emit }: FleetHost) {
    this.plan = plan;
    this.#client = client;
    const plans = () => this.plan;
    const reaped = (instance: string) => {
      // Where it cannot, the lease runs out.
      void client.discovery.forget(instance, { timeoutMs: forgetMs }).catch(() => {});
    };
    this.sidecars = new Sidecars(plan.sidecars, socketFolder, { plan, servers, login, guard, emit, reaped });
    this.#host = {
      get plan() {
        return plans();
      },
      servers,
      login,
      sidecarOf: (worker) => this.sidecars.addressFor(worker),
      guard,
      emit,
      ports: new MetricsPorts(plan.startingMetricsPort),
      reaped,
      succeeded: (leaving, signal) => this.#succeeded(leaving, signal),
    };
  }

  /** Its components by name, in the order of their coming. */
  get components(): ReadonlyMap<string, Component> {
    return this.#components;
  }

  /** All workers, by component; those that drain are among them. */
  get workers(): readonly SupervisedWorker[] {
    return [...this.#components.values()].flatMap(({ workers }) => workers);
  }

  /** Starts what the plan begins with, once its sidecars serve. */
  begin(): void {
    for (const { metricsPort } of this.plan.sidecars) this.#host.ports.note(metricsPort);
    for (const component of this.plan.components) {
      const own = this.plan.workers.filter((worker) => worker.component === component.name);
      this.put(component).begin(own);
    }
  }

  /** Makes a component of no workers yet. */
  put(plan: ComponentPlan): Component {
    const component = new Component(plan, this.#host);
    this.#components.set(plan.name, component);
    return component;
  }

  /** Forgets a component, which has no workers any more. */
  delete(component: Component): void {
    if (this.#components.get(component.name) === component) this.#components.delete(component.name);
  }

  /**
   * A component by its name.
   *
   * @param action for the message
   * @throws {ConnectError} `not_found`
   */
  find(action: string, name: string): Component {
    const component = this.#components.get(name);
    if (component !== undefined) return component;
    const known = [...this.#components.keys()].map((one) => `"${one}"`).join(", ");
    const text = known === "" ? "the deployment has none" : `the deployment's components are ${known}`;
    throw fault(`Cannot ${action} "${name}": ${text}`, Code.NotFound);
  }

  /** Passes on what discovery says of the workers. */
  observe(event: DiscoveryEvent): void {
    if (!("instance" in event)) return;
    const { pid, host, instance } = event.instance;
    const worker = [...this.sidecars.all, ...this.workers].find(({ status }) =>
      status.pid === pid || status.instance === instance
    );
    if (worker === undefined || host !== hostname()) return;
    if (event.type === "instance-gone") worker.unregistered();
    else worker.registered(event.instance);
  }

  /** Ends all workers, then the sidecars that hold their tensors; may be called again with less time. */
  async stop(drainMs: number): Promise<number[]> {
    const codes = await Promise.all(this.workers.map((worker) => worker.stop(drainMs)));
    return [...codes, ...await this.sidecars.stop(drainMs)];
  }

  async #succeeded(leaving: Leaving, signal: AbortSignal): Promise<void> {
    const { workers, served, instances } = leaving;
    const staying = this.workers.filter((worker) => !workers.includes(worker));
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(this.plan.startTimeoutMs)]);
    // Where the broker cannot, they leave all the same.
    await Promise.all(
      lastVersions(served, staying).map((one) => endVersion(this.#client, one, instances, bounded).catch(() => {})),
    );
  }
}
