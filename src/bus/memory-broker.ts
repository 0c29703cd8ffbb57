import type { BusHeaders } from "./bus.ts";
import { hasWildcard, tokensMatch } from "./subjects.ts";

/** How a {@linkcode MemoryBroker} behaves. */
export interface MemoryBrokerOptions {
  /** Largest payload plus headers, in bytes. Default 1,048,576, as nats-server has it. */
  maxPayloadBytes?: number;
  /**
   * Sees every message before it is routed; answers `false` to lose it. For tests of lost messages.
   * Default: nothing is lost.
   */
  deliver?: (subject: string, payload: Uint8Array) => boolean;
}

/** A message on its way through a {@linkcode MemoryBroker}. */
export interface MemoryEnvelope {
  /** Where it was published to. */
  readonly subject: string;
  /** The publisher's own bytes. */
  readonly payload: Uint8Array;
  /** Where an answer is wanted. */
  readonly reply: string | undefined;
  /** The publisher's own record. */
  readonly headers: BusHeaders | undefined;
  /** Set on what the broker itself sends. */
  readonly status: number | undefined;
}

/** Where a {@linkcode MemoryBroker} delivers to. */
export interface MemoryRoute {
  /** The subscribed subject, possibly with wildcards. */
  readonly pattern: string;
  /** The group it is a member of. */
  readonly queue: string | undefined;
  /** Which connection it belongs to. */
  readonly connection: object;
  /** Whether its connection is up. */
  readonly live: boolean;
  /** Takes a message; must not run user code at once. */
  deliver(envelope: MemoryEnvelope): void;
}

interface Entry {
  readonly route: MemoryRoute;
  readonly tokens: readonly string[];
}

const none = new Uint8Array(0);

/**
 * Routes messages between the connections of one process, as nats-server does: subjects of tokens, `*` and `>`, queue groups
 * (members take turns), and a 503 status to a publisher whose request nobody listens to. It stores nothing.
 *
 * Connect to it with `connectMemory`.
 */
export class MemoryBroker {
  /** Largest payload plus headers, in bytes. */
  readonly maxPayloadBytes: number;
  readonly #deliver: ((subject: string, payload: Uint8Array) => boolean) | undefined;
  readonly #exact = new Map<string, MemoryRoute[]>();
  readonly #wildcards: Entry[] = [];
  #turn = 0;

  /** Makes a broker that nobody is connected to. */
  constructor(options: MemoryBrokerOptions = {}) {
    this.maxPayloadBytes = options.maxPayloadBytes ?? 1024 * 1024;
    this.#deliver = options.deliver;
  }

  /**
   * Starts delivery to a route. For connections.
   *
   * @internal
   */
  add(route: MemoryRoute): void {
    if (hasWildcard(route.pattern)) {
      this.#wildcards.push({ route, tokens: route.pattern.split(".") });
      return;
    }
    const routes = this.#exact.get(route.pattern);
    if (routes === undefined) this.#exact.set(route.pattern, [route]);
    else routes.push(route);
  }

  /**
   * Ends delivery to a route. For connections.
   *
   * @internal
   */
  remove(route: MemoryRoute): void {
    const at = this.#wildcards.findIndex((entry) => entry.route === route);
    if (at !== -1) this.#wildcards.splice(at, 1);
    const routes = this.#exact.get(route.pattern)?.filter((other) => other !== route);
    if (routes === undefined) return;
    if (routes.length === 0) this.#exact.delete(route.pattern);
    else this.#exact.set(route.pattern, routes);
  }

  /**
   * Delivers a message to every route it matches, and to one member of each group. For connections.
   *
   * @internal
   */
  send(envelope: MemoryEnvelope, from: object): void {
    if (this.#deliver?.(envelope.subject, envelope.payload) === false) return;
    const routes = this.#match(envelope.subject);
    const groups = new Map<string, MemoryRoute[]>();
    for (const route of routes) {
      if (route.queue === undefined) {
        route.deliver(envelope);
        continue;
      }
      // Members of one group on different patterns are different groups to nats-server as well.
      const group = `${route.queue} ${route.pattern}`;
      const members = groups.get(group);
      if (members === undefined) groups.set(group, [route]);
      else members.push(route);
    }
    for (const members of groups.values()) members[this.#turn++ % members.length]?.deliver(envelope);
    if (routes.length === 0 && envelope.reply !== undefined) this.#noResponders(envelope.reply, from);
  }

  #match(subject: string): MemoryRoute[] {
    const routes = (this.#exact.get(subject) ?? []).filter((route) => route.live);
    if (this.#wildcards.length === 0) return routes;
    const tokens = subject.split(".");
    for (const entry of this.#wildcards) if (entry.route.live && tokensMatch(entry.tokens, tokens)) routes.push(entry.route);
    return routes;
  }

  /** As nats-server does, tells the publisher alone, however many others listen to the reply subject. */
  #noResponders(reply: string, from: object): void {
    const route = this.#match(reply).find((candidate) => candidate.connection === from);
    route?.deliver({ subject: reply, payload: none, reply: undefined, headers: undefined, status: 503 });
  }
}
