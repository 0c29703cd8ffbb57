/**
 * A page that runs the behaviours, shows what became of them, and tells the server that it came from.
 *
 * @module
 */
import { connect } from "../../../mod.ts";
import { behaviours } from "../behaviours.ts";

/** What became of one behaviour. */
export interface PageResult {
  readonly name: string;
  /** Why it failed; absent where it passed. */
  readonly error?: string;
}

const { broker } = Object.fromEntries(new URLSearchParams(location.search));
const open = (url: string = String(broker)) => connect(url, { operatorWaitMs: 1_000, connectTimeoutMs: 2_000 });

async function run({ name, run }: typeof behaviours[number]): Promise<PageResult> {
  try {
    const client = await open();
    try {
      await run(client, { connect: open, cut: async () => void await fetch("/cut", { method: "POST" }) });
    } finally {
      await client.close();
    }
    return { name };
  } catch (error) {
    return { name, error: error instanceof Error ? String(error.stack) : String(error) };
  }
}

const list = document.querySelector("ul");
const results: PageResult[] = [];
for (const behaviour of behaviours) {
  const result = await run(behaviour);
  results.push(result);
  const item = document.createElement("li");
  item.textContent = `${result.error === undefined ? "✓" : "✗"} ${result.name}${
    result.error === undefined ? "" : `: ${result.error}`
  }`;
  list?.append(item);
}
await fetch("/results", { method: "POST", body: JSON.stringify(results) });
