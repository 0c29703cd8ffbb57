import type { ComponentHealth, WorkerState, WorkerStatus } from "./status.ts";

/** From the worst on. */
const order: readonly ComponentHealth[] = ["failed", "crash-looping", "lost", "starting", "draining", "ready"];

const healthOf: Readonly<Record<WorkerState, ComponentHealth>> = {
  starting: "starting",
  ready: "ready",
  lost: "lost",
  restarting: "starting",
  "crash-looping": "crash-looping",
  failed: "failed",
  draining: "draining",
  stopped: "draining",
};

/** How a component is, by its workers: as the worst of them. Those that leave say something only where no other is left. */
export function healthOfAll(
  workers: readonly Pick<WorkerStatus, "name" | "state" | "reason">[],
): { readonly health: ComponentHealth; readonly reason: string | undefined } {
  const staying = workers.filter(({ state }) => healthOf[state] !== "draining");
  const those = staying.length > 0 ? staying : workers;
  const rank = ({ state }: { state: WorkerState }) => order.indexOf(healthOf[state]);
  const [worst] = those.toSorted((a, b) => rank(a) - rank(b));
  if (worst === undefined) return { health: "ready", reason: undefined };
  return { health: healthOf[worst.state], reason: worst.reason === undefined ? undefined : `${worst.name} ${worst.reason}` };
}
