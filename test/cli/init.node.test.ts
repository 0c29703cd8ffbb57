// The command does the same on every runtime; what it writes is run on all three from here.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { emit } from "../../scripts/lib/emit.ts";
import { ownDependency } from "../../src/cli/init/own-package.ts";
import { projectName } from "../../src/cli/init/write-project.ts";
import { type Program, startProgram } from "../support/program.ts";

const run = promisify(execFile);
const bin = resolve("node_modules/.bin");

async function init(...args: string[]): Promise<{ code: number | null; output: string }> {
  const program = startProgram("src/cli/main.ts", ["init", ...args]);
  const { code } = await program.exited;
  return { code, output: program.output };
}

describe("waybill init", () => {
  let folder: string;
  let project: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "waybill-init-"));
    project = join(folder, "My Photos");
    // What is published, as an installer lays it out, without asking a registry.
    const own = join(folder, "waybill");
    const made = await emit(join(own, "dist"));
    if (made.code !== 0) throw new Error(made.output);
    await writeFile(join(own, "package.json"), await readFile("package.json", "utf8"));
    await symlink(resolve("node_modules"), join(own, "node_modules"));
    const { code, output } = await init(project, "--waybill", "file:../waybill");
    if (code !== 0) throw new Error(output);
    await mkdir(join(project, "node_modules"));
    await symlink(own, join(project, "node_modules/waybill"));
    await symlink(resolve("node_modules/@types"), join(project, "node_modules/@types"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test("names the project after its folder, and depends on what it is told", async () => {
    const manifest = JSON.parse(await readFile(join(project, "package.json"), "utf8"));
    expect(manifest).toMatchObject({ name: "my-photos", dependencies: { waybill: "file:../waybill" } });
    expect(await readFile(join(project, "README.md"), "utf8")).toContain("# my-photos");
    expect(await readdir(project)).toEqual(expect.arrayContaining([".gitignore", "deno.json", "tsconfig.json", "worker.ts"]));
    expect(["/x/A.b", "/x/--", "/"].map(projectName)).toEqual(["a-b", "my-project", "my-project"]);
  });

  test("depends on the clone that it runs from, on the tarball that it was installed from, or on its version", async () => {
    expect(await ownDependency({ folder: "/src/waybill", isClone: true }, "/src/mine")).toBe("file:../waybill");
    const tree = join(folder, "tree");
    const own = { folder: join(tree, "node_modules/waybill"), isClone: false };
    await mkdir(own.folder, { recursive: true });
    expect(await ownDependency(own, project)).toMatch(/^\d+\.\d+\.\d+/);
    const lock = { packages: { "node_modules/waybill": { resolved: "file:../waybill-0.1.0.tgz" } } };
    await writeFile(join(tree, "node_modules/.package-lock.json"), JSON.stringify(lock));
    expect(await ownDependency(own, project)).toBe(`file:${join(folder, "waybill-0.1.0.tgz")}`);
  });

  test("refuses a folder with something in it, and leaves it as it is", async () => {
    const full = join(folder, "full");
    await mkdir(full);
    await writeFile(join(full, "mine.txt"), "");
    const { code, output } = await init(full);
    expect([code, output.trim()]).toEqual([
      1,
      `Cannot make a project in "${full}": the folder must be empty, got "mine.txt"`,
    ]);
    expect(await readdir(full)).toEqual(["mine.txt"]);
  });

  test("writes a test that passes on Node, Bun and Deno", async () => {
    // Node's runner does nothing in a process of another one of its kind.
    const options = { cwd: project, env: { ...process.env, NO_COLOR: "1", NODE_TEST_CONTEXT: undefined } };
    const node = await run(process.execPath, ["--test", "--test-reporter=tap"], options);
    expect(node.stdout).toContain("# pass 2");
    expect((await run(join(bin, "bun"), ["test"], options)).stderr).toContain("2 pass");
    expect((await run(join(bin, "deno"), ["test", "-A", "--no-check"], options)).stdout).toContain("2 passed");
  });

  test("writes TypeScript that compiles as strictly as it says", async () => {
    const { stdout } = await run(join(bin, "tsc"), ["-p", project]).catch((error) => error as { stdout: string });
    expect(stdout).toBe("");
  });

  test("writes a deployment that its client can call", async () => {
    // The workers are the project's own, with the package that is published.
    const deployed = ["--port", "0", "--websocket-port", "0", "--starting-metrics-port", "0", "--name", "init-test"];
    const up: Program = startProgram("src/cli/main.ts", ["up", join(project, "deploy.ts"), ...deployed]);
    try {
      const [, url = ""] = await up.waitFor(/at (nats:\/\/\S+)/, 60_000);
      await up.waitFor(/Workers started/);
      const env = { ...process.env, WAYBILL_URL: url };
      const { stdout } = await run(process.execPath, ["client.ts"], { cwd: project, env });
      expect(stdout).toMatch(/^A photo of 480 x 640 x 3 from [0-9a-f]{32}: 100 became 150$/m);
    } finally {
      await up.kill("SIGTERM");
    }
    expect(up.output).toContain("Workers Stopped Exit Code 0");
  });
});
