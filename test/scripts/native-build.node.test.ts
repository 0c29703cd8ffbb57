/** On Node alone: that is what runs the scripts. */
import { describe, expect, test } from "bun:test";
import { runCommand } from "../../scripts/lib/run-command.ts";
import { outsideCommand } from "../support/program.ts";

/** Runs scripts/native.ts where no tool is found. */
async function withoutTools(...args: string[]): Promise<{ code: number; output: string }> {
  const [node = ""] = outsideCommand("node");
  return await runCommand(node, ["scripts/native.ts", ...args], { capture: true, env: { PATH: "/nowhere", CXX: "" } });
}

describe("building the addon without a compiler", () => {
  test("says what is missing and how to get it, and that everything else works", async () => {
    const { code, output } = await withoutTools("--force");
    expect(code).toBe(1);
    expect(output).toContain("Cannot build the native addon: cmake and a C++ compiler missing");
    expect(output).toContain("apt-get install g++ cmake make");
    expect(output).toContain("Everything that does without it works");
    expect(output).not.toContain("    at ");
  });

  test("skips the addon's own tests, for a reason", async () => {
    const { code, output } = await withoutTools("test");
    expect([code, output.startsWith("skipped: cmake and a C++ compiler missing")]).toEqual([0, true]);
  });
});
