import { dirname } from "node:path";
import process from "node:process";
import { Code } from "@connectrpc/connect";
import { unlessAborted } from "../rpc/deadline.ts";
import { fault } from "../rpc/error.ts";
import type { ChangeOptions, ChangeResult, DeploymentChange, ReplaceOrder } from "./changes.ts";
import { checkWorker } from "./check.ts";
import type { ChangeBounds, Component } from "./component.ts";
import { type ComponentPlan, planComponent } from "./component-plan.ts";
import { checkFixed, differencesOf } from "./difference.ts";
import type { Fleet } from "./fleet.ts";
import { type DeploymentPlan, planDeployment } from "./plan.ts";

type Change<C extends DeploymentChange["command"]> = Extract<DeploymentChange, { command: C }>;

/**
 * Makes a change to what runs.
 *
 * @throws {ConnectError} `not_found` for an unknown component, `already_exists` for one that is there, `invalid_argument` and
 * `failed_precondition` for what cannot be used or does not start, `deadline_exceeded` for what does not start in time
 */
export function changeFleet(fleet: Fleet, change: DeploymentChange, bounds: ChangeBounds): Promise<ChangeResult> {
  switch (change.command) {
    case "scale":
      return scale(fleet, change, bounds);
    case "add":
      return add(fleet, change, bounds);
    case "remove":
      return remove(fleet, change, bounds);
    case "restart":
      return restart(fleet, change, bounds);
    case "apply":
      return apply(fleet, change, bounds);
    default: {
      const known = "scale, add, remove, restart or apply";
      throw fault(
        `Cannot change the deployment: command must be ${known}, got ${JSON.stringify(change)}`,
        Code.InvalidArgument,
      );
    }
  }
}

async function scale(fleet: Fleet, { component: name, count }: Change<"scale">, bounds: ChangeBounds): Promise<ChangeResult> {
  const component = fleet.find("scale", name);
  if (!Number.isSafeInteger(count) || count < 0) {
    throw fault(`Cannot scale "${name}": count must be an integer from 0, got ${JSON.stringify(count)}`, Code.InvalidArgument);
  }
  await component.scale(count, bounds);
  return { components: [component.status] };
}

async function add(fleet: Fleet, { worker }: Change<"add">, bounds: ChangeBounds): Promise<ChangeResult> {
  const { where, file, runtime } = fleet.plan;
  checkWorker(where, "worker", worker);
  if (fleet.components.has(worker.name)) {
    const advice = `remove it first, or change it with "waybill scale" or "waybill apply"`;
    throw fault(`Cannot add "${worker.name}": a component of that name is there already; ${advice}`, Code.AlreadyExists);
  }
  const folder = file === undefined ? process.cwd() : dirname(file);
  const sidecars = fleet.plan.sidecars.map(({ node }) => node);
  const plan = await planComponent(worker, { where, field: "worker", folder, runtime, sidecars });
  return { components: [(await addPlanned(fleet, plan, plan.count ?? 1, bounds)).status] };
}

/** What does not start is not there afterwards. */
async function addPlanned(fleet: Fleet, plan: ComponentPlan, count: number, bounds: ChangeBounds): Promise<Component> {
  const component = fleet.put(plan);
  try {
    await component.scale(count, bounds);
    return component;
  } catch (error) {
    await component.drainAll(bounds);
    fleet.delete(component);
    throw error;
  }
}

async function remove(fleet: Fleet, { component: name }: Change<"remove">, bounds: ChangeBounds): Promise<ChangeResult> {
  await removeComponent(fleet, fleet.find("remove", name), bounds);
  return { components: [] };
}

async function removeComponent(fleet: Fleet, component: Component, bounds: ChangeBounds): Promise<void> {
  await unlessAborted(component.drainAll(bounds).then(() => fleet.delete(component)), bounds.signal);
}

async function restart(fleet: Fleet, change: Change<"restart">, bounds: ChangeBounds): Promise<ChangeResult> {
  const one = fleet.workers.find(({ name }) => name === change.component);
  const component = fleet.find("restart", one?.plan.component ?? change.component);
  const old = component.staying.filter((worker) => one === undefined || worker === one);
  await component.replace(component.plan, old, orderOf(change.order), bounds);
  return { components: [component.status] };
}

function orderOf(order: unknown): ReplaceOrder {
  if (order === undefined || order === "start-first") return "start-first";
  if (order === "stop-first") return order;
  const text = `order must be "start-first" or "stop-first", got ${JSON.stringify(order)}`;
  throw fault(`Cannot replace workers: ${text}`, Code.InvalidArgument);
}

/** What a deployment goes on as: its broker, places and ports are those that it was started with. */
function continued(running: DeploymentPlan, next: DeploymentPlan): DeploymentPlan {
  const { definition, where, file, overrides, components, runtime, restart, logLevel, drainMs, ackWaitMs, startTimeoutMs } =
    next;
  const taken = { definition, where, file, overrides, components, runtime };
  return { ...running, ...taken, restart, logLevel, drainMs, ackWaitMs, startTimeoutMs };
}

async function apply(fleet: Fleet, change: Change<"apply">, bounds: ChangeBounds): Promise<ChangeResult> {
  const order = orderOf(change.order);
  const { where, definition, overrides } = fleet.plan;
  const file = change.file ?? overrides.file;
  const next = await planDeployment({ options: change.options }, { ...overrides, file });
  checkFixed(file === undefined ? where : String(file), definition.options, next.definition.options);
  const changes = await differencesOf(fleet.components, next);
  const differences = changes.map(({ difference }) => difference);
  if (change.dryRun === true) return { components: [], differences };
  fleet.plan = continued(fleet.plan, next);
  const components: Component[] = [];
  for (const { plan, component, stale, count } of changes) {
    if (plan === undefined) {
      if (component !== undefined) await removeComponent(fleet, component, bounds);
    } else if (component === undefined) {
      components.push(await addPlanned(fleet, plan, count, bounds));
    } else {
      components.push(component);
      const remaining = [...component.staying].sort((a, b) => a.plan.number - b.plan.number).slice(0, count);
      if (count < component.count) await component.scale(count, bounds);
      await component.replace(plan, stale.filter((worker) => remaining.includes(worker)), order, bounds);
      if (component.staying.length !== count) await component.scale(count, bounds);
    }
  }
  return { components: components.map(({ status }) => status), differences };
}

/**
 * Checks how long a change may take: a time that is none would end workers at once.
 *
 * @throws {ConnectError} `invalid_argument`
 */
export function checkTimes({ drainMs, timeoutMs }: ChangeOptions): void {
  for (const [name, ms] of Object.entries({ drainMs, timeoutMs })) {
    if (ms === undefined || typeof ms === "number" && ms >= 0) continue;
    const text = `${name} must be a number of milliseconds from 0, got ${JSON.stringify(ms)}`;
    throw fault(`Cannot change the deployment: ${text}`, Code.InvalidArgument);
  }
}

/** Refuses a change of a deployment that does not run. */
export function notRunning(name: string, state: string): Error {
  return fault(`Cannot change the deployment "${name}": it must be running, got ${state}`, Code.FailedPrecondition);
}
