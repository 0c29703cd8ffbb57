import { describe, expect, test } from "bun:test";
import { behaviourTable, taggedTests } from "../../scripts/lib/behaviour-table.ts";

const required = { A1: "It calls", A2: "It streams", A3: "It waits" };
const none = { required, pending: {}, excluded: {} };
const file = "test/a.test.ts";

describe("the table of behaviours", () => {
  test("finds ids before the names of tests, several of them too, and in every kind of quotes", () => {
    const text = `
      test("[A1] calls \\"it\\"", async () => {});
      testUnless(offline, "[A2] streams", () => {});
        test(\`[A1] [A3] does \${what}\`, () => {});
      const behaviour = { name: "[A2] is named" };
      test.skip("[A3] is skipped", () => {});
      test("is about [A3]", () => {});
      // [A3] in a comment`;
    expect(taggedTests(file, text).map(({ ids, name }) => [ids.join(), name])).toEqual([
      ["A1", 'calls \\"it\\"'],
      ["A2", "streams"],
      ["A1,A3", "does ${what}"],
      ["A2", "is named"],
    ]);
  });

  test("fails on a behaviour without a test, and on an id that nobody knows", () => {
    const { lines, faults } = behaviourTable([{ file, name: "calls", ids: ["A1", "A9"] }], none);
    expect(lines.slice(0, 2)).toEqual(["A1    It calls", "      test/a.test.ts: calls"]);
    expect(faults).toEqual([
      "A2 has no test: It streams",
      "A3 has no test: It waits",
      `test/a.test.ts: "calls" carries A9, which is no behaviour's id`,
    ]);
  });

  test("lets a behaviour wait for a reason, but not once it has a test", () => {
    const pending = { A2: "no streams yet", A3: "no clock yet" };
    const tests = [{ file, name: "calls", ids: ["A1", "A3"] }];
    const { lines, faults } = behaviourTable(tests, { required, pending, excluded: { A1: "GPUs" } });
    expect(lines).toContain("      pending: no streams yet");
    expect(lines).toContain("      without GPUs");
    expect(faults).toEqual(["A3 is pending, and has a test: take it off that list"]);
  });
});
