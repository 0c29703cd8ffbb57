import { describe, expect, test } from "bun:test";
import { startProgram } from "../support/program.ts";

const file = "test/fixtures/echo.ts";

/** Runs scripts/run.mjs with a Node that can become another program, or with one that cannot, as before 22.15. */
function run(args: readonly string[], becomes: boolean): ReturnType<typeof startProgram> {
  const env: Record<string, string> = becomes ? {} : { NODE_OPTIONS: "--import=data:text/javascript,delete%20process.execve" };
  return startProgram("scripts/run.mjs", args, { runtime: "node", env });
}

describe("scripts/run.mjs", () => {
  for (const becomes of [true, false]) {
    const how = becomes ? "by becoming the program" : "with the program as a child";

    test(`passes arguments and the exit code on, ${how}`, async () => {
      for (const runtime of ["node", "bun", "deno"]) {
        const program = run(["--runtime", runtime, file, "3", "a b", "--json"], becomes);
        expect((await program.exited).code).toBe(3);
        await program.waitFor(new RegExp(`^${runtime} \\["a b","--json"\\]$`, "m"));
      }
    });

    test(`passes signals on, ${how}`, async () => {
      const polite = run([file, "wait"], becomes);
      await polite.waitFor(/^node/m);
      expect((await polite.kill("SIGTERM")).code).toBe(7);
    });
  }

  test("says how it is used", async () => {
    const program = run(["--runtime", "python", file], true);
    expect((await program.exited).code).toBe(1);
    await program.waitFor(/Usage: node scripts\/run\.mjs \[--runtime node\|bun\|deno\] FILE/);
  });
});
