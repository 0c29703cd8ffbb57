import { describe, expect, test } from "bun:test";
import { type RecordedTest, supportTable, withSupportTable } from "../../scripts/lib/support-table.ts";

const behaviours = [{ name: "calls", feature: "infer" }, { name: "yields", feature: "stream" }];
const versions = { bun: "1", deno: "2", node: "24", workerd: "3" };

function cells(tests: readonly RecordedTest[], row: string): string[] {
  const line = supportTable(tests, behaviours, versions).split("\n").find((text) => text.startsWith(`| ${row} |`)) ?? "";
  return line.split(" | ").slice(1).map((cell) => cell.replace(/ \|$/, ""));
}

function recorded(runtime: string, group: string, name: string, outcome: RecordedTest["outcome"]): RecordedTest {
  return { runtime, name: `${group} > ${name}`, outcome };
}

describe("the table of runtimes", () => {
  test("says yes only where every test passed, over every way to connect", () => {
    const tests = [
      recorded("bun", "a client over TCP", "calls", "passed"),
      recorded("bun", "a client over a websocket", "calls", "passed"),
      recorded("deno", "a client over TCP", "calls", "passed"),
      recorded("deno", "a client over a websocket", "calls", "failed"),
      recorded("node", "a client in a browser", "calls", "passed"),
    ];
    expect(cells(tests, "infer")).toEqual(["yes", "no", "not run", "not run", "not run", "yes"]);
    expect(cells(tests, "over TCP")).toEqual(["yes", "yes", "not run", "-", "-", "-"]);
    expect(cells(tests, "stream")).toEqual(Array.from({ length: 6 }, () => "not run"));
  });

  test("says which runtimes took the package", () => {
    const on = (name: string, outcome: RecordedTest["outcome"]) =>
      recorded("node", "the packed tarball", `makes calls on ${name}, over TCP and over a websocket`, outcome);
    const tests = [on("Node 24", "passed"), on("Node 22", "passed"), on("Bun", "failed")];
    expect(cells(tests, "from the npm package")).toEqual(["no", "not run", "24 and 22", "-", "-", "-"]);
  });

  test("takes its place in a document, again and again", () => {
    const once = withSupportTable("a\n<!-- support-table:start -->\n<!-- support-table:end -->\nb\n", "| 1 |");
    expect(once).toBe("a\n<!-- support-table:start -->\n| 1 |\n<!-- support-table:end -->\nb\n");
    expect(withSupportTable(once, "| 2 |")).toBe(once.replace("1", "2"));
    expect(() => withSupportTable("no place", "| 1 |")).toThrow("support-table:start");
  });
});
