import type { OperatorDeclaration, ServedOperator } from "../../gen/waybill/v1/discovery_pb.ts";
import { type Logger, silentLogger } from "../bus/logger.ts";
import type { Discovery } from "../discovery/discovery.ts";
import type { Route, RouteLookup } from "../rpc/route.ts";
import { Listing } from "./listing.ts";
import { type DType, isDType, type TensorSpecs } from "../tensor/mod.ts";

const FRESH_MS = 30_000;
const LOOKUP_TIMEOUT_MS = 1_000;

/** What is known of an operator before it is called. */
export interface OperatorFacts {
  /** What it takes; `undefined` when it does not say. */
  readonly inputs: TensorSpecs | undefined;
  /** What it gives; `undefined` when it does not say. */
  readonly outputs: TensorSpecs | undefined;
  /** Whether running a request twice is harmless. */
  readonly idempotent: boolean;
}

/** Remembers for half a minute what discovery says of operators. A client that may not read discovery calls without it. */
export class Catalog {
  readonly #discovery: Discovery;
  readonly #logger: Logger;
  readonly #listing: Listing;
  readonly #facts = new Map<string, { at: number; facts: OperatorFacts | undefined }>();
  readonly #lookups = new Map<string, Promise<OperatorFacts | undefined>>();

  constructor(discovery: Discovery, logger: Logger = silentLogger) {
    this.#discovery = discovery;
    this.#logger = logger;
    this.#listing = new Listing(discovery);
  }

  /** What is known now. A promise only the first time; later the old answer serves while a new one is fetched. */
  facts(operator: string, version: string | undefined): OperatorFacts | undefined | Promise<OperatorFacts | undefined> {
    const key = `${operator}\n${version ?? ""}`;
    const known = this.#facts.get(key);
    if (known !== undefined && performance.now() - known.at < FRESH_MS) return known.facts;
    const lookup = this.#lookup(key, operator, version);
    return known === undefined ? lookup : known.facts;
  }

  #lookup(key: string, operator: string, version: string | undefined): Promise<OperatorFacts | undefined> {
    const running = this.#lookups.get(key);
    if (running !== undefined) return running;
    const lookup = this.#ask(operator, version).then((facts) => {
      // An operator that nobody serves yet is asked for again.
      if (facts !== undefined) this.#facts.set(key, { at: performance.now(), facts });
      this.#lookups.delete(key);
      return facts;
    });
    this.#lookups.set(key, lookup);
    return lookup;
  }

  async #ask(operator: string, version: string | undefined): Promise<OperatorFacts | undefined> {
    try {
      const instances = await this.#listing.of(operator);
      const wanted = version ?? (await this.#discovery.declaration(operator, { timeoutMs: LOOKUP_TIMEOUT_MS }))?.defaultVersion;
      const served = instances.find((candidate) => wanted === undefined || candidate.version === wanted);
      return served === undefined ? undefined : factsOf(served);
    } catch (error) {
      this.#logger.debug("Calls an operator without knowing its schema", { operator, reason: String(error) });
      this.#facts.set(`${operator}\n${version ?? ""}`, { at: performance.now(), facts: undefined });
      return undefined;
    }
  }
}

/** What an instance's record says of an operator. */
export function factsOf(served: ServedOperator): OperatorFacts {
  return { inputs: specsOf(served.inputs), outputs: specsOf(served.outputs), idempotent: served.idempotent };
}

function specsOf(specs: ServedOperator["inputs"]): TensorSpecs | undefined {
  if (specs.length === 0 || !specs.every(({ dtype }) => isDType(dtype))) return undefined;
  return Object.fromEntries(
    specs.map(({ name, dtype, shape, optional }) => [name, { dtype: dtype as DType, shape: shape.map(Number), optional }]),
  );
}

/** Lookups that run, by operator: calls in trouble come in crowds. */
const running = new WeakMap<Discovery, Map<string, Promise<OperatorDeclaration | undefined>>>();

function declarationOf(discovery: Discovery, operator: string): Promise<OperatorDeclaration | undefined> {
  const lookups = running.get(discovery) ?? new Map<string, Promise<OperatorDeclaration | undefined>>();
  running.set(discovery, lookups);
  let lookup = lookups.get(operator);
  if (lookup === undefined) {
    lookup = discovery.declaration(operator, { timeoutMs: LOOKUP_TIMEOUT_MS }).finally(() => lookups.delete(operator));
    lookups.set(operator, lookup);
  }
  return lookup;
}

/** What discovery says of where a request wants to go. Never rejects. */
export async function lookUp(discovery: Discovery, route: Route): Promise<RouteLookup> {
  const { operator, version, priority } = route;
  if (operator === "") return { known: undefined };
  try {
    const declared = await declarationOf(discovery, operator);
    if (declared === undefined) return { known: false, missing: "no such operator is declared" };
    if (version !== undefined && !declared.versions.includes(version)) {
      const versions = declared.versions.map((known) => `"${known}"`).join(", ");
      return { known: false, missing: `its version must be one of ${versions}, got "${version}"` };
    }
    const levels = Math.max(1, declared.priorities);
    if (route.stored && priority >= levels) {
      return { known: false, missing: `its priority must be an integer from 0 to ${levels - 1}, got ${priority}` };
    }
    return { known: true };
  } catch {
    return { known: undefined };
  }
}
