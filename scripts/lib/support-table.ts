/** What a test did on a runtime, as `npm test -- --results FILE` writes it. */
export interface RecordedTest {
  readonly runtime: string;
  /** Groups and the test's own name, joined by " > ". */
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
}

/** A column of the table. */
interface Column {
  readonly title: string;
  /** Runtime and group of the tests that say what it can. */
  readonly groups: readonly (readonly [runtime: string, group: string])[];
  /** Names of the tests that try the package as it is published, with what they tried it on. */
  readonly packaged?: Readonly<Record<string, string>>;
}

/** Versions as the README states them. */
export interface RuntimeVersions {
  readonly bun: string;
  readonly deno: string;
  readonly node: string;
  readonly workerd: string;
}

const tcp = "a client over TCP";
const websocket = "a client over a websocket";
const packaged = (on: string) => `the packed tarball > makes calls on ${on}, over TCP and over a websocket`;

function columns({ bun, deno, node, workerd }: RuntimeVersions): Column[] {
  const both = (runtime: string): Column["groups"] => [[runtime, websocket], [runtime, tcp]];
  const inWorkerd = (how: string): Column["groups"] => [["node", `a client in workerd, with ${how}`]];
  return [
    { title: `Bun ${bun}`, groups: both("bun"), packaged: { [packaged("Bun")]: "yes" } },
    { title: `Deno ${deno}`, groups: both("deno"), packaged: { [packaged("Deno")]: "yes" } },
    { title: `Node ${node}`, groups: both("node"), packaged: { [packaged("Node 24")]: "24", [packaged("Node 22")]: "22" } },
    { title: `workerd ${workerd}, per request`, groups: inWorkerd("a connection per request") },
    { title: "workerd, Durable Object", groups: inWorkerd("the connection of a Durable Object") },
    { title: "browser (Chromium)", groups: [["node", "a client in a browser"]] },
  ];
}

type Cell = "yes" | "no" | "not run" | "-";

function verdict(tests: readonly RecordedTest[]): Cell {
  if (tests.some(({ outcome }) => outcome === "failed")) return "no";
  return tests.some(({ outcome }) => outcome === "passed") ? "yes" : "not run";
}

/**
 * What runs where, as a table in Markdown. A cell says yes when every test of it passed, over every way to connect.
 *
 * @param behaviours names of the tests by what the table calls them
 */
export function supportTable(
  tests: readonly RecordedTest[],
  behaviours: readonly { readonly name: string; readonly feature: string }[],
  versions: RuntimeVersions,
): string {
  const all = columns(versions);
  const of = ({ groups }: Column, keep: (group: string, name: string) => boolean) =>
    verdict(
      tests.filter((test) =>
        groups.some(([runtime, group]) =>
          test.runtime === runtime && test.name.startsWith(`${group} > `) && keep(group, test.name.slice(group.length + 3))
        )
      ),
    );
  const row = (title: string, cell: (column: Column) => string) => `| ${[title, ...all.map(cell)].join(" | ")} |`;
  const features = [...new Set(behaviours.map(({ feature }) => feature))];
  const named = (feature: string) =>
    new Set(behaviours.filter((behaviour) => behaviour.feature === feature).map(({ name }) => name));
  return [
    row("", ({ title }) => title),
    row("---", () => "---"),
    row("over a websocket", (column) => of(column, (group) => group !== tcp)),
    row("over TCP", (column) => column.groups.some(([, group]) => group === tcp) ? of(column, (group) => group === tcp) : "-"),
    ...features.map((feature) => row(feature, (column) => of(column, (_group, name) => named(feature).has(name)))),
    // Their suites call a worker that runs on the same runtime.
    row("serves operators", (column) => column.groups.length > 1 ? of(column, () => true) : "-"),
    row("from the npm package", ({ packaged = {} }) => {
      const tried = Object.entries(packaged).map(([name, on]) => ({
        on,
        cell: verdict(tests.filter((test) => test.name === name)),
      }));
      const passed = tried.filter(({ cell }) => cell === "yes").map(({ on }) => on);
      return passed.length > 0 ? passed.join(" and ") : tried[0]?.cell ?? "-";
    }),
  ].join("\n");
}

const start = "<!-- support-table:start -->";
const end = "<!-- support-table:end -->";

/** A document with the table in its place. */
export function withSupportTable(document: string, table: string): string {
  const [from, to] = [document.indexOf(start), document.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`Cannot write the table: the document needs ${start} and ${end}`);
  return `${document.slice(0, from + start.length)}\n${table}\n${document.slice(to)}`;
}
