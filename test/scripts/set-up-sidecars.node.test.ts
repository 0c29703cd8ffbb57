/** On Node alone: that is what runs the scripts. */
import { describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../../scripts/lib/run-command.ts";
import { setUpSidecars } from "../../scripts/lib/set-up-sidecars.ts";
import { outsideCommand } from "../support/program.ts";

const built = () => Promise.resolve(undefined);
const [node = ""] = outsideCommand("node");

/** Runs scripts/run.mjs where neither a compiler nor UCX is to be had; resolves with what was said. */
async function run(...args: string[]): Promise<string> {
  const env = { PATH: "/nowhere", CXX: "", WAYBILL_NATIVE: "/nowhere/waybill.node" };
  return (await runCommand(node, ["scripts/run.mjs", ...args], { capture: true, env })).output;
}

describe("setting up sidecars", () => {
  test("says that there is no addon, why, and that tensors go over HTTP instead", async () => {
    const why = "Cannot build the native addon: cmake missing (apt-get install cmake). Everything that does without it works";
    const build = () => Promise.resolve(why);
    expect(await setUpSidecars(() => {}, { build, env: {} })).toEqual([
      "Cannot build the native addon: cmake missing (apt-get install cmake). Sidecars keep tensors on their heap, and all go over HTTP",
    ]);
  });

  test("builds nothing where another addon is named, and says when that cannot be loaded", async () => {
    const build = () => Promise.reject(new Error("It must not be built"));
    const [fault = ""] = await setUpSidecars(() => {}, { build, env: { WAYBILL_NATIVE: "/nowhere/waybill.node" } });
    expect(fault).toContain("Cannot load the native addon: Cannot find module '/nowhere/waybill.node'");
    expect(fault).toContain("all go over HTTP");
  });

  test("says that there is no UCX, why, and what is used instead", async () => {
    const [fault = ""] = await setUpSidecars(() => {}, { build: built, env: { UCX_LIBRARY: "/nowhere/libucp.so.0" } });
    expect(fault).toMatch(/^Cannot find UCX: UCX_LIBRARY: .+\. Tensors go from node to node over HTTP; npm run setup:ucx/);
  });

  test("comes before what starts sidecars, and before nothing else", async () => {
    const folder = await mkdtemp(join(tmpdir(), "waybill-set-up-"));
    try {
      const [plain, withSidecars] = [join(folder, "plain.ts"), join(folder, "sidecars.ts")];
      await writeFile(plain, 'throw new Error("Not started");\nexport default { sidecar: false };\n');
      await writeFile(withSidecars, 'throw new Error("Not started");\nexport default {\n  sidecars: { a: {} },\n};\n');
      const cli = "src/cli/main.ts";
      for (
        const [args, expected] of [
          [[cli, "up", withSidecars], true],
          [[cli, "sidecar", "--port", "none"], true],
          [["scripts/start.ts", "--sidecars", "--requests-per-client", "none"], true],
          [[cli, "up", plain], false],
          [[cli, "sidecar", "--help"], false],
          [["scripts/start.ts", "--requests-per-client", "none"], false],
        ] as const
      ) {
        expect([args, (await run(...args)).includes("Sidecars keep tensors on their heap")]).toEqual([args, expected]);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
