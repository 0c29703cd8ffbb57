// On one runtime: each command is a process; what they ask for is tested in test/deployment.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { fixture, whoIs } from "../deployment/support.ts";
import { codeOf, listed, slowRequest, type UpWorld, withUp } from "../deployment/up.ts";
import { startProgram, until } from "../support/program.ts";

const versioned = "test/fixtures/deployment/versioned.ts";

async function workersOf(folder: string): Promise<string[]> {
  return (await listed(folder))[0]?.status?.workers.map(({ name, state }) => `${name} ${state}`) ?? [];
}

/** Runs a command that must do what it is told. */
async function done({ run }: UpWorld, ...args: string[]): Promise<string[]> {
  const { code, output } = await run(...args);
  if (code !== 0) throw new Error(`waybill ${args.join(" ")} ended with ${code}:\n${output}`);
  return output.trimEnd().replace(/ \(pid \d+\)/g, "").split("\n");
}

/** Runs a command that must fail. */
async function refused({ run }: UpWorld, ...args: string[]): Promise<string> {
  const { code, output } = await run(...args);
  expect(code).toBe(1);
  return output.trim();
}

describe("a running deployment", () => {
  test("is scaled, restarted, added to and taken from by commands", async () => {
    await withUp({ args: ["--name", "demo"] }, async (world) => {
      const { folder, client } = world;
      expect(await done(world, "scale", "double=2", "spawning=0")).toEqual([
        "double.1 starting",
        "double.1 ready",
        "double: 2 of 2 ready",
        "spawning.0 draining",
        "spawning.0 stopped: exit code 0",
        "spawning: 0 of 0 ready",
      ]);
      expect(await workersOf(folder)).toEqual(["double.0 ready", "double.1 ready"]);
      expect(await done(world, "restart", "double.1", "--stop-first", "-d", "demo")).toEqual([
        "double.1 draining",
        "double.1 stopped: exit code 0",
        "double.1 starting",
        "double.1 ready",
        "double: 2 of 2 ready",
      ]);
      const added = await done(world, "add", versioned, "--name", "answers", "--runtime", "bun", "--", "answer=two");
      expect(added).toEqual(["answers.0 starting", "answers.0 ready", "answers: 1 of 1 ready"]);
      const { text } = await client.operator("answer").infer({ n: Int32Array.of(1) });
      expect((await text?.fetch())?.strings()).toEqual(["two"]);
      expect((await done(world, "remove", "answers", "spawning")).slice(1)).toEqual([
        "answers.0 stopped: exit code 0",
        "answers: removed",
        "spawning: removed",
      ]);
      const json = await done(world, "add", "test/fixtures/deployment/deploy.ts", "spawning", "--json");
      expect(JSON.parse(json.join("\n"))).toMatchObject({ name: "demo", components: [{ name: "spawning", health: "ready" }] });
      expect(await refused(world, "scale", "double")).toBe('Cannot scale: it must be NAME=N, such as encoder=4, got "double"');
      expect(await refused(world, "scale", "duble=2")).toContain(
        'Cannot scale "duble": the deployment\'s components are "double"',
      );
      expect(await refused(world, "restart", "double", "-d", "other")).toContain('those that run are "demo"');
      expect(await refused(world, "add", "test/fixtures/deployment/quiet.ts")).toContain(
        "its default export must come from defineWorker() or defineDeployment(), got no default export",
      );
    });
  });

  test("becomes what its file says now, and Ctrl-C leaves nothing half done", async () => {
    await withUp({}, async (world) => {
      const { folder, client } = world;
      const file = join(folder, "next.ts");
      const source = new URL("../../src/deployment/mod.ts", import.meta.url).href;
      const write = (env: string) =>
        writeFile(
          file,
          `import { defineDeployment } from ${JSON.stringify(source)};
export default defineDeployment({
  workers: [{ name: "double", file: ${JSON.stringify(fixture("double.ts"))}, runtime: "bun", env: { GREETING: "${env}" } }],
  drainMs: 20_000,
});
`,
        );
      await write("hello");
      const dry = await done(world, "apply", file, "--dry-run");
      expect(dry).toEqual([
        "~ double: replace (operators, env)".replace("operators, env", "env, operators"),
        "- spawning: remove (1 to 0)",
      ]);
      expect(await workersOf(folder)).toEqual(["double.0 ready", "spawning.0 ready"]);
      const applied = await done(world, "apply", file);
      expect(applied.slice(-2)).toEqual(dry);
      expect((await whoIs(client)).args[0]).toBe("hello");
      expect(await workersOf(folder)).toEqual(["double.0 ready"]);
      expect(await done(world, "apply", file)).toEqual(["= double: as it should be"]);

      await slowRequest(client, 3_000);
      await write("again");
      const program = startProgram("src/cli/main.ts", ["apply", file], { env: { XDG_RUNTIME_DIR: folder } });
      await program.waitFor(/double\.0 draining/);
      expect(await codeOf(program.kill("SIGINT"))).toBe(130);
      expect(program.output).toContain("Interrupted: what was begun is finished or taken out");
      await until("the old one has drained", async () => (await workersOf(folder)).join() === "double.0 ready");
      expect((await whoIs(client)).args[0]).toBe("again");
    });
  });

  test("tells how its components are, and why, with the end of the log", async () => {
    await withUp({ args: ["--name", "demo"], env: { TEST_MAX_RESTARTS: "0" } }, async (world) => {
      const { run, pids } = world;
      const rows = (lines: readonly string[]) => lines.map((line) => line.trim().split(/ {2,}/));
      const healthy = await done(world, "status");
      expect(healthy[0]).toMatch(/^demo: running, namespace default, at nats:\/\/127\.0\.0\.1:\d+ and ws/);
      expect(rows(healthy.slice(1))).toEqual([
        ["COMPONENT", "HEALTH", "READY", "RUNTIME", "REASON"],
        ["double", "ready", "1/1", "bun"],
        ["spawning", "ready", "1/1", "bun"],
      ]);
      process.kill(pids[2] ?? 0, "SIGKILL");
      const why = "double.0 ended with signal SIGKILL, once, and was given up";
      await until("its end is known", async () => (await run("status")).output.includes(why));
      const { code, output } = await run("status", "demo");
      expect(code).toBe(1);
      expect(rows(output.split("\n").slice(2, 4))).toEqual([
        ["double", "failed", "0/1", "bun", why],
        ["spawning", "ready", "1/1", "bun"],
      ]);
      expect(output).toMatch(/^ {2}The log of double\.0 ends with \(.*double\.0\.log\):\n(.*\n)? {4}\{.*"msg":"Serving"/m);
      expect((await run("ps")).output).toContain(`  ${why}`);
      expect(JSON.parse((await run("status", "--json")).output).status.components[0]).toMatchObject({
        health: "failed",
        ready: 0,
      });
      expect((await done(world, "restart", "double")).at(-1)).toBe("double: 1 of 1 ready");
      expect((await run("status")).code).toBe(0);
    });
  });
});

describe("waybill logs", () => {
  test("prints each line behind its worker's name, and follows what comes, of new workers too", async () => {
    await withUp({}, async (world) => {
      const { folder, run } = world;
      const all = await done(world, "logs");
      expect(all.some((line) => /^double\.0 {3}\| \{.*"msg":"Serving"/.test(line))).toBe(true);
      expect(all.some((line) => /^spawning\.0 \| \{.*"msg":"Serving"/.test(line))).toBe(true);
      expect(await done(world, "logs", "double", "-n", "1")).toHaveLength(1);
      expect((await done(world, "logs", "nats-server"))[0]).toMatch(/^nats-server \| /);
      expect(await refused(world, "logs", "nope")).toContain(
        'it has nothing called "nope"; it has "double", "spawning", "nats-server"',
      );
      const follow = startProgram("src/cli/main.ts", ["logs", "double", "-f"], { env: { XDG_RUNTIME_DIR: folder } });
      await follow.waitFor(/^double\.0 \| .*Serving/m);
      await done(world, "scale", "double=2");
      await follow.waitFor(/^double\.1 \| .*Serving/m);
      await run("down");
      expect(await codeOf(follow.exited)).toBe(0);
      expect(follow.output).toMatch(/^double\.0 \| .*Draining/m);
    });
  });
});
