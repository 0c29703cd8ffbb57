import { Code } from "@connectrpc/connect";
import { fault } from "../rpc/error.ts";
import type { ComponentDifference } from "./changes.ts";
import type { Component } from "./component.ts";
import type { ComponentPlan } from "./component-plan.ts";
import type { DeploymentOptions } from "./definition.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { DeploymentPlan } from "./plan.ts";
import { type SupervisedWorker, toldFields } from "./supervised-worker.ts";

/** What can be changed while a deployment runs; the broker, names, places and ports cannot. */
const changeable: readonly string[] = ["workers", "runtime", "restart", "startTimeoutMs", "clearLogs", ...toldFields];

const componentFields = ["file", "runtime", "args", "env", "operators", "sidecar"] as const;

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/**
 * Refuses what a running deployment cannot become.
 *
 * @throws {ConnectError} `failed_precondition` naming the fields
 */
export function checkFixed(where: string, running: DeploymentOptions, wanted: DeploymentOptions): void {
  const [before, after]: Readonly<Record<string, unknown>>[] = [{ ...running }, { ...wanted }];
  const fields = new Set([...Object.keys(running), ...Object.keys(wanted)]);
  const changed = [...fields].filter((field) => !changeable.includes(field) && !same(before?.[field], after?.[field]));
  if (changed.length === 0) return;
  const text = `${changed.join(", ")} must be as ${changed.length === 1 ? "it was" : "they were"} when it was started`;
  throw fault(`Cannot apply ${where}: ${text}; stop the deployment and start it again to change that`, Code.FailedPrecondition);
}

/** A component beside what it is to become. */
export interface PlannedChange {
  readonly difference: ComponentDifference;
  /** `undefined` where it is to go. */
  readonly plan: ComponentPlan | undefined;
  /** `undefined` where it is to come. */
  readonly component: Component | undefined;
  /** Those of its workers that are other than wanted. */
  readonly stale: readonly SupervisedWorker[];
  readonly count: number;
}

/** What differs between what runs and what is wanted, the new ones first and what is to go last. */
export async function differencesOf(
  running: ReadonlyMap<string, Component>,
  wanted: DeploymentPlan,
): Promise<PlannedChange[]> {
  const changes: PlannedChange[] = [];
  for (const plan of wanted.components) {
    const component = running.get(plan.name);
    changes.push(component === undefined ? addition(plan) : await differenceOf(component, plan, wanted));
  }
  const names = wanted.components.map(({ name }) => name);
  for (const component of running.values()) {
    if (names.includes(component.name)) continue;
    const difference = { name: component.name, action: "remove", what: [`${component.count} to 0`] } as const;
    changes.push({ difference, plan: undefined, component, stale: [], count: 0 });
  }
  const order = ["add", "replace", "scale", "keep", "remove"];
  return changes.sort((a, b) => order.indexOf(a.difference.action) - order.indexOf(b.difference.action));
}

function addition(plan: ComponentPlan): PlannedChange {
  const count = plan.count ?? 1;
  return {
    difference: { name: plan.name, action: "add", what: [`count ${count}`] },
    plan,
    component: undefined,
    stale: [],
    count,
  };
}

async function differenceOf(component: Component, plan: ComponentPlan, wanted: DeploymentPlan): Promise<PlannedChange> {
  const code = await fingerprintOf(plan.file);
  const count = plan.count ?? component.count;
  const stale: SupervisedWorker[] = [];
  const what = new Set<string>();
  for (const worker of component.staying) {
    const fields: string[] = componentFields.filter((field) => !same(worker.plan[field], plan[field]));
    for (const field of toldFields) if (worker.told[field] !== wanted[field]) fields.push(field);
    if (!fields.includes("file") && await worker.fingerprint !== code) fields.push("code");
    if (worker.state === "failed") fields.push("failed");
    if (fields.length > 0) stale.push(worker);
    for (const field of fields) what.add(field);
  }
  if (count !== component.count) what.add(`count ${component.count} to ${count}`);
  const action = stale.length > 0 ? "replace" : count !== component.count ? "scale" : "keep";
  return { difference: { name: plan.name, action, what: [...what] }, plan, component, stale, count };
}
