import { XMLParser } from "fast-xml-parser";

/** What a report says of one test. */
export interface TestResult {
  /** Names of the groups around it and its own, joined by " > ". */
  readonly name: string;
  /** File that holds it, where the report says so. */
  readonly file: string | undefined;
  /** How it ended. */
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it failed, in one line. */
  readonly message: string | undefined;
}

/** A parsed element: attributes are prefixed with "@". */
interface Element {
  readonly [key: string]: string | Element[] | undefined;
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  parseAttributeValue: false,
  // Long failure texts hold many escaped characters; the parser's default limits are for untrusted input.
  htmlEntities: true,
  processEntities: { enabled: true, maxTotalExpansions: Infinity, maxExpandedLength: Infinity },
  isArray: (_name, _path, _leaf, isAttribute) => !isAttribute,
});

function children(element: Element, name: string): Element[] {
  const found = element[name];
  return Array.isArray(found) ? found.filter((child) => typeof child === "object") : [];
}

/** An attribute's value. An empty element is parsed as a string, which has none. */
function attribute(element: Element | undefined, name: string): string | undefined {
  const value = element?.[`@${name}`];
  return typeof value === "string" ? value : undefined;
}

function has(element: Element, name: string): boolean {
  return element[name] !== undefined;
}

function* walk(element: Element, groups: readonly string[], file: string | undefined): Generator<TestResult> {
  for (const test of children(element, "testcase")) {
    const failed = has(test, "failure") || has(test, "error");
    yield {
      name: [...groups, attribute(test, "name") ?? "?"].join(" > "),
      file: attribute(test, "file") ?? file,
      outcome: failed ? "failed" : has(test, "skipped") ? "skipped" : "passed",
      message: attribute(children(test, "failure")[0] ?? children(test, "error")[0], "message")?.split("\n")[0],
    };
  }
  for (const suite of children(element, "testsuite")) {
    const name = attribute(suite, "name") ?? "?";
    // Bun and Deno report a file as a suite named by its path.
    const isFile = name.endsWith(".ts");
    yield* walk(suite, isFile ? groups : [...groups, name], attribute(suite, "file") ?? (isFile ? name : file));
  }
}

/** A report: what each test did, and which files were run at all. */
export interface Report {
  readonly results: readonly TestResult[];
  readonly files: ReadonlySet<string>;
}

/**
 * Leaves out the groups. Deno reports a group as one more test, which passes or fails with its members; their names start with
 * its name. One that failed by itself, in a hook, stays.
 */
function withoutGroups(results: readonly TestResult[]): TestResult[] {
  const groups = new Map<string, boolean>();
  for (const { name, outcome } of results) {
    const parts = name.split(" > ");
    for (let length = 1; length < parts.length; length++) {
      const group = parts.slice(0, length).join(" > ");
      groups.set(group, groups.get(group) === true || outcome === "failed");
    }
  }
  return results.filter(({ name, outcome }) => !groups.has(name) || (outcome === "failed" && groups.get(name) === false));
}

/** Reads a JUnit report of Bun, Deno or Node. */
export function readJunit(xml: string): Report {
  const [top] = children(parser.parse(xml), "testsuites");
  const all = top === undefined ? [] : [...walk(top, [], undefined)];
  return {
    results: attribute(top, "name") === "deno test" ? withoutGroups(all) : all,
    files: new Set(all.flatMap(({ file }) => file === undefined ? [] : [file])),
  };
}
