import { isOwnedId } from "./ids.ts";
import { checkNamespace, escapeName } from "./names.ts";

/** Stands in a queue subject for "no version asked for"; the stream rewrites it to the default one. */
export const DEFAULT_VERSION_TOKEN = "=";

/** Ends the topic of an event, so that `a.>` takes the topic `a` itself as well. No name has this token. */
const END_OF_TOPIC_TOKEN = "=";

/**
 * The subjects of one namespace. Every name is escaped here and nowhere else; callers, calls and instances are tokens
 * already (hexadecimal ids).
 */
export class Subjects {
  /** The namespace itself. */
  readonly namespace: string;
  readonly #root: string;

  /** @throws {ConnectError} `invalid_argument` for a namespace outside `a-z`, `0-9`, `_`, `-` */
  constructor(namespace: string) {
    this.namespace = checkNamespace(namespace);
    this.#root = `wb.${namespace}`;
  }

  /** Where durable requests are stored: one stream per operator. Priority 0 is the lowest. */
  queue(operator: string, version: string | undefined, priority: number): string {
    return `${this.#root}.q.${escapeName(operator)}.${versionToken(version)}.${priority}`;
  }
  /** All queue subjects of an operator: what its stream captures. Nobody else subscribes to it. */
  queueAll(operator: string): string {
    return `${this.#root}.q.${escapeName(operator)}.*.*`;
  }
  /** Direct requests: a queue group of all instances. */
  direct(operator: string, version: string | undefined): string {
    return `${this.#root}.s.${escapeName(operator)}.${versionToken(version)}`;
  }
  /** Requests for one instance. */
  directed(operator: string, instance: string): string {
    return `${this.#root}.i.${escapeName(operator)}.${instance}`;
  }
  /** The caller's later frames, for the instance that has the call. */
  control(operator: string, instance: string): string {
    return `${this.#root}.c.${escapeName(operator)}.${instance}`;
  }
  /** Cancels and status probes of calls that any instance may hold, or none yet. */
  everyInstance(operator: string): string {
    return `${this.#root}.x.${escapeName(operator)}`;
  }
  /** Everything sent to one caller, without the trailing `>`. */
  answers(caller: string): string {
    return `${this.#root}.r.${caller}.`;
  }
  /** The answers to one call. */
  answer(caller: string, call: string): string {
    return `${this.#root}.r.${caller}.${call}`;
  }
  /** Wakes the workers of an operator with priorities when a request was stored. */
  wake(operator: string, version: string): string {
    return `${this.#root}.w.${escapeName(operator)}.${versionToken(version)}.*`;
  }
  /** All requests of the namespace that were given up. */
  everyDeadLetter(): string {
    return `${this.#root}.dl.*`;
  }
  /** Requests that were given up. */
  deadLetters(operator: string): string {
    return `${this.#root}.dl.${escapeName(operator)}`;
  }
  /** A cancel that is stored for instances to come. The caller stands in it, so that the broker can hold each to its own. */
  canceled(operator: string, caller: string, call: string): string {
    return `${this.#root}.t.${escapeName(operator)}.${caller}.${call}`;
  }
  /** The {@linkcode canceled} subjects of an operator: callers' ids are one token or two. */
  canceledOf(operator: string): string {
    return `${this.#root}.t.${escapeName(operator)}.>`;
  }
  /** How often one hop of a call was executed; written by instances. */
  attempts(operator: string, { caller, call, base }: { caller: string; call: string; base: number }): string {
    return `${this.#root}.a.${escapeName(operator)}.${caller}.${call}.${base}`;
  }
  /** All {@linkcode attempts} subjects. */
  everyAttempts(): string {
    return `${this.#root}.a.>`;
  }
  /** All {@linkcode canceled} subjects. */
  everyCanceled(): string {
    return `${this.#root}.t.>`;
  }
  /** One node's tensor service. */
  node(node: string): string {
    // The store of a user that listens below its own name stays two tokens, so that nobody else may listen there.
    return `${this.#root}.n.${node.includes(".") && isOwnedId(node) ? node : escapeName(node)}`;
  }
  /** One node's tensor service for those who look after the deployment: it lists what the node holds. */
  nodeControl(node: string): string {
    return `${this.#root}.ctl.n.${escapeName(node)}`;
  }
  /** Where an event is published: its type, who publishes it, then its topic, whose end is marked. */
  event(type: string, component: string, topic: readonly string[]): string {
    return `${this.#root}.evt.${[type, component, ...topic].map(escapeName).join(".")}.${END_OF_TOPIC_TOKEN}`;
  }
  /** The events of a type, of a component, of a topic and of all below it; what is `undefined` or empty is not asked for. */
  events(type: string | undefined, component: string | undefined, topic: readonly string[]): string {
    const from = [type, component].map((name) => name === undefined ? "*" : escapeName(name));
    return `${this.#root}.evt.${[...from, ...topic.map(escapeName)].join(".")}.>`;
  }
  /** The stream behind {@linkcode queueAll}. `+` occurs in no token, so no two operators share a name. */
  queueStream(operator: string): string {
    return `wb+${this.namespace}+q+${escapeName(operator)}`;
  }
  /** The stream behind {@linkcode canceled} and {@linkcode attempts}. */
  callStream(): string {
    return `wb+${this.namespace}+t`;
  }
  /** The stream of all dead letters of the namespace. */
  deadLetterStream(): string {
    return `wb+${this.namespace}+dl`;
  }
}

function versionToken(version: string | undefined): string {
  return version === undefined || version === "" ? DEFAULT_VERSION_TOKEN : escapeName(version);
}
