/**
 * A page that runs the behaviours, shows what became of them, and tells the server that it came from.
 *
 * @module
 */
import { type Client, connect } from "../../../mod.ts";
import { type Behaviour, behaviours, fetchBehaviours } from "../behaviours.ts";

/** What became of one behaviour. */
export interface PageResult {
  readonly name: string;
  /** Why it failed; absent where it passed. */
  readonly error?: string;
}

const { broker = "", node = "", token = "" } = Object.fromEntries(new URLSearchParams(location.search));

/** What clients are connected to. */
interface Far {
  readonly open: (url?: string) => Promise<Client>;
  /** Where a POST breaks the connections. */
  readonly cut: string;
}

const farBroker: Far = {
  open: (url = broker) => connect(url, { operatorWaitMs: 1_000, connectTimeoutMs: 2_000 }),
  cut: "/cut",
};
const farNode: Far = { open: (url = node) => connect(url, { token, connectTimeoutMs: 2_000 }), cut: "/cut-node" };

async function run({ name, run }: Behaviour, prefix: string, { open, cut }: Far): Promise<PageResult> {
  const result = await outcome(run, open, cut);
  return { ...result, name: `${prefix}${name}` };
}

async function outcome(run: Behaviour["run"], open: Far["open"], cut: string): Promise<Omit<PageResult, "name">> {
  try {
    const client = await open();
    try {
      await run(client, { connect: open, cut: async () => void await fetch(cut, { method: "POST" }) });
    } finally {
      await client.close();
    }
    return {};
  } catch (error) {
    return { error: error instanceof Error ? String(error.stack) : String(error) };
  }
}

const list = document.querySelector("ul");
const results: PageResult[] = [];
const runs = [
  ...behaviours.map((behaviour) => () => run(behaviour, "", farBroker)),
  ...fetchBehaviours.map((behaviour) => () => run(behaviour, "straight to a node: ", farNode)),
];
for (const next of runs) {
  const result = await next();
  results.push(result);
  const item = document.createElement("li");
  item.textContent = `${result.error === undefined ? "✓" : "✗"} ${result.name}${
    result.error === undefined ? "" : `: ${result.error}`
  }`;
  list?.append(item);
}
await fetch("/results", { method: "POST", body: JSON.stringify(results) });
