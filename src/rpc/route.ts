import type { Subjects } from "./subjects.ts";

/**
 * How a request reaches an operator: `queue` stores it until a worker has a free slot, `at-most-once` too but gives it up
 * with its worker, `direct` hands it to an instance at once and stores nothing.
 */
export type DispatchMode = "queue" | "direct" | "at-most-once";

/** Where the frames of a call go. */
export interface Route {
  /** What messages call it, such as `operator "encoder"`. */
  readonly label: string;
  /** The operator's name; empty for a node's service. */
  readonly operator: string;
  /** The version asked for; `undefined` for the default one. */
  readonly version: string | undefined;
  /** Queue priority. */
  readonly priority: number;
  /** The one instance that can take the request; `undefined` when any can. */
  readonly directedTo: string | undefined;
  /** Where the request is published. */
  readonly subject: string;
  /** Whether the broker stores the request and acknowledges that. */
  readonly stored: boolean;
  /** Acknowledged before it is executed. */
  readonly once: boolean;
  /** Where later frames go once the instance is known. */
  control(instance: string): string;
  /** Where cancels and probes go before that; `undefined` when the request subject has one listener. */
  readonly everyone: string | undefined;
  /** Largest answer seen so far: what a further call is expected to bring. */
  expectedAnswerBytes: number;
}

/** What discovery says of where a request wants to go. */
export interface RouteLookup {
  /** Whether there is such a place; `undefined` when that cannot be told. */
  readonly known: boolean | undefined;
  /** What there is not, such as `version "7" of it is not declared, only "1"`. */
  readonly missing?: string;
}

/** What selects an operator's instance or queue. */
export interface OperatorRouteOptions {
  /** A version; the default one when left out. */
  version?: string;
  /** One instance: the request goes there directly, whatever the mode. */
  instance?: string;
  /** Default `"queue"`. */
  mode?: DispatchMode;
  /** Queue priority: 0 (lowest, default) up to the operator's declared levels - 1. */
  priority?: number;
}

/** The route to an operator. */
export function operatorRoute(subjects: Subjects, operator: string, options: OperatorRouteOptions = {}): Route {
  const { version, instance, mode = "queue", priority = 0 } = options;
  const stored = instance === undefined && mode !== "direct";
  const subject = instance !== undefined
    ? subjects.directed(operator, instance)
    : stored
    ? subjects.queue(operator, version, priority)
    : subjects.direct(operator, version);
  return {
    label: `operator "${operator}"`,
    operator,
    version,
    priority,
    directedTo: instance,
    subject,
    stored,
    once: mode === "at-most-once",
    control: (id) => subjects.control(operator, id),
    everyone: subjects.everyInstance(operator),
    expectedAnswerBytes: 0,
  };
}

/** The route to a service that one process serves on one subject, such as a node's. */
export function serviceRoute(subject: string, label: string): Route {
  return {
    label,
    operator: "",
    version: undefined,
    priority: 0,
    directedTo: undefined,
    subject,
    stored: false,
    once: false,
    control: () => subject,
    everyone: undefined,
    expectedAnswerBytes: 0,
  };
}
