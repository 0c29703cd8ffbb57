import { describe, expect, test } from "bun:test";
import { readJunit } from "../../scripts/lib/junit.ts";

/** What a report says, one line a test. */
function read(xml: string): string[] {
  return readJunit(xml).results.map(({ name, outcome, message }) => [outcome, name, message].filter(Boolean).join(": "));
}

describe("readJunit", () => {
  test("reads a report of Bun, with the files that it names", () => {
    const xml = `<?xml version="1.0"?>
      <testsuites name="bun test"><testsuite name="test/a.test.ts" file="test/a.test.ts">
        <testcase name="adds" file="test/a.test.ts" />
        <testsuite name="group" file="test/a.test.ts">
          <testcase name="fails" file="test/a.test.ts"><failure type="AssertionError" message="no &quot;x&quot;&#10;here">text</failure></testcase>
          <testcase name="rests (skipped: no GPU)" file="test/a.test.ts"><skipped /></testcase>
        </testsuite>
      </testsuite></testsuites>`;
    expect(read(xml)).toEqual(["passed: adds", 'failed: group > fails: no "x"', "skipped: group > rests (skipped: no GPU)"]);
    expect([...readJunit(xml).files]).toEqual(["test/a.test.ts"]);
  });

  test("counts Deno's groups only where they fail by themselves", () => {
    const xml = `<testsuites name="deno test">
      <testsuite name="./test/a.test.ts">
        <testcase name="good group"></testcase>
        <testcase name="bad group"><failure message="1 test step failed">1 test step failed.</failure></testcase>
        <testcase name="broken group"><failure message="beforeAll threw">x</failure></testcase>
        <testcase name="alone"></testcase>
      </testsuite>
      <testsuite name="ext:deno_node/testing.ts">
        <testcase name="good group &gt; adds"></testcase>
        <testcase name="bad group &gt; fails"><failure message="no">x</failure></testcase>
        <testcase name="broken group &gt; rests"><skipped/></testcase>
      </testsuite></testsuites>`;
    expect(read(xml)).toEqual([
      "failed: broken group: beforeAll threw",
      "passed: alone",
      "passed: good group > adds",
      "failed: bad group > fails: no",
      "skipped: broken group > rests",
    ]);
  });

  test("reads a report of Node, and finds nothing in an empty one", () => {
    const xml = `<?xml version="1.0" encoding="utf-8"?><testsuites>
      <testsuite name="group"><testcase name="adds" file="/a.test.ts"/></testsuite>
      <testcase name="test/b.test.ts" file="/b.test.ts" failure="test failed"><failure type="testCodeFailure" message="test failed">x</failure></testcase>
    </testsuites>`;
    expect(read(xml)).toEqual(["failed: test/b.test.ts: test failed", "passed: group > adds"]);
    expect(read("")).toEqual([]);
  });
});
