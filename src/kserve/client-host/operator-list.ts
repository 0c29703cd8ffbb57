import type { OperatorDeclaration, ServedOperator } from "../../../gen/waybill/v1/discovery_pb.ts";
import type { Discovery } from "../../discovery/discovery.ts";

/** A listing serves lookups for this long, and is then renewed while it goes on serving. */
const FRESH_MS = 1_000;
/** An older one serves nobody. */
const STALE_MS = 15_000;
/** What a listing lacks is looked for in a newer one, but not more often than this: anyone may ask for names that are not there. */
const RETRY_MS = 100;
const TIMEOUT_MS = 5_000;

/** An operator, and who serves it. */
export interface ListedOperator {
  readonly declaration: OperatorDeclaration;
  /** One for each instance and version. */
  readonly served: readonly ServedOperator[];
}

interface Listing {
  readonly at: number;
  readonly operators: ReadonlyMap<string, ListedOperator>;
}

/** What discovery lists, remembered for a moment: it has no index of operators. */
export class OperatorList {
  readonly #discovery: Discovery;
  #latest: Listing | undefined;
  #running: Promise<Listing> | undefined;

  constructor(discovery: Discovery) {
    this.#discovery = discovery;
  }

  /** All there is. */
  async all(): Promise<ReadonlyMap<string, ListedOperator>> {
    return (await this.#upTo(FRESH_MS)).operators;
  }

  /** One of them. */
  async of(name: string): Promise<ListedOperator | undefined> {
    const latest = await this.#upTo(STALE_MS);
    const age = performance.now() - latest.at;
    const known = latest.operators.get(name);
    if (known !== undefined && known.served.length > 0) {
      // Its failure is the next lookup's, when the listing is too old.
      if (age > FRESH_MS) void this.#renew().catch(() => {});
      return known;
    }
    return age < RETRY_MS ? known : (await this.#renew()).operators.get(name);
  }

  async #upTo(maxAgeMs: number): Promise<Listing> {
    const latest = this.#latest;
    return latest !== undefined && performance.now() - latest.at < maxAgeMs ? latest : await this.#renew();
  }

  #renew(): Promise<Listing> {
    return this.#running ??= this.#list().finally(() => this.#running = undefined);
  }

  async #list(): Promise<Listing> {
    const options = { timeoutMs: TIMEOUT_MS };
    const [declarations, instances] = await Promise.all([
      this.#discovery.declarations(options),
      this.#discovery.instances({}, options),
    ]);
    const served = Map.groupBy(instances.flatMap(({ operators }) => operators), ({ name }) => name);
    const operators = new Map(
      declarations.map((declaration) => [declaration.name, { declaration, served: served.get(declaration.name) ?? [] }]),
    );
    return this.#latest = { at: performance.now(), operators };
  }
}
