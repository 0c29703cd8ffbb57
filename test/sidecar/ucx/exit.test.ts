import { describe, expect } from "bun:test";
import { startProgram } from "../../support/program.ts";
import { unlessNoUcx } from "./support/skip.ts";

describe("a program with open UCX wires", () => {
  for (const end of ["falls", "exits"]) {
    unlessNoUcx(
      `that ${end === "falls" ? "comes to its end" : "exits in the middle of a fetch"} ends with 0 and says nothing`,
      async () => {
        const program = startProgram("test/sidecar/ucx/support/leaver.ts", [end]);
        expect(await program.exited).toEqual({ code: 0, signal: null });
        expect(program.output).toBe("");
      },
      20_000,
    );
  }

  unlessNoUcx("that throws ends with 1", async () => {
    const program = startProgram("test/sidecar/ucx/support/leaver.ts", ["throws"]);
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(program.output).toContain("as it was told");
  }, 60_000);
});
