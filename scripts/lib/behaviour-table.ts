import type { Behaviours } from "../../test/required-behaviours.ts";

/** A test that carries ids. */
export interface TaggedTest {
  readonly file: string;
  /** Its name without the ids. */
  readonly name: string;
  readonly ids: readonly string[];
}

/** What is required, and which of it cannot be tested yet. */
export interface Requirements {
  readonly required: Behaviours;
  readonly pending: Behaviours;
  readonly excluded: Behaviours;
}

/** A name with ids before it, in any kind of quotes, as the first argument of `test` or as the `name` of a behaviour. */
const TAGGED = /(?:\b(test|testUnless)\((?:\s*\w+,)?|\bname:)\s*(["'`])((?:\[[A-Z]+\d+\] )+)((?:\\.|(?!\2).)*)\2/gs;

/** The tests of a file that carry ids. Skipped ones do not count. */
export function taggedTests(file: string, text: string): TaggedTest[] {
  return [...text.matchAll(TAGGED)].map(([, , , tags = "", name = ""]) => ({
    file,
    name,
    ids: [...tags.matchAll(/\[(\w+)\]/g)].map(([, id = ""]) => id),
  }));
}

/** The table of ids, behaviours and tests, and what is wrong with it. */
export function behaviourTable(
  tests: readonly TaggedTest[],
  { required, pending, excluded }: Requirements,
): { lines: string[]; faults: string[] } {
  const lines: string[] = [];
  const faults: string[] = [];
  for (const [id, behaviour] of Object.entries(required)) {
    const own = tests.filter(({ ids }) => ids.includes(id));
    lines.push(`${id.padEnd(5)} ${behaviour}`);
    for (const { file, name } of own) lines.push(`      ${file}: ${name}`);
    if (excluded[id] !== undefined) lines.push(`      without ${excluded[id]}`);
    if (pending[id] !== undefined) lines.push(`      pending: ${pending[id]}`);
    if (own.length === 0 && pending[id] === undefined) faults.push(`${id} has no test: ${behaviour}`);
    if (own.length > 0 && pending[id] !== undefined) faults.push(`${id} is pending, and has a test: take it off that list`);
  }
  const known = new Set(Object.keys(required));
  for (const { file, name, ids } of tests) {
    for (const id of ids) if (!known.has(id)) faults.push(`${file}: "${name}" carries ${id}, which is no behaviour's id`);
  }
  for (const id of [...Object.keys(pending), ...Object.keys(excluded)]) {
    if (!known.has(id)) faults.push(`${id} is listed as pending or excluded, and is no behaviour's id`);
  }
  return { lines, faults };
}
