import { appendFile, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { Child } from "../../src/deployment/child-process.ts";
import { startGuard } from "../../src/deployment/broker/guard.ts";
import { LogFollower } from "../../src/deployment/follow-log.ts";
import { LogRotation, rotate } from "../../src/deployment/log-rotation.ts";
import { until } from "../support/program.ts";
import { withFolder } from "./support.ts";

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `line ${from + index}`);
const write = (file: string, lines: readonly string[]) => appendFile(file, lines.map((line) => `${line}\n`).join(""));

describe("a log", () => {
  test("is moved away when it is too large, while its process goes on writing, and few are kept", async () => {
    await withFolder(async (folder) => {
      const logFile = join(folder, "w.log");
      const guard = startGuard();
      const script = "i=0; while [ $i -lt 40000 ]; do echo line $i; i=$((i + 1)); done; sleep 600";
      const child = new Child({ command: ["/bin/sh", "-c", script], env: process.env, logFile, guard });
      const rotation = new LogRotation(() => [logFile], { maxBytes: 64 * 1024, kept: 2 });
      try {
        await until("it has written all", async () => (await child.tail(1))[0] === "line 39999", 30_000);
        await until("the last look was taken", async () => (await stat(logFile)).size <= 64 * 1024);
        expect((await readdir(folder)).filter((name) => name !== "w.log").every((name) => /^w\.log\.[12]$/.test(name))).toBe(
          true,
        );
      } finally {
        await rotation.close();
        child.kill();
        await child.exited;
        guard.dismiss();
      }
    });
  });

  test("loses nothing when it is moved away, and the oldest goes", async () => {
    await withFolder(async (folder) => {
      const file = join(folder, "w.log");
      for (let round = 0; round < 4; round++) {
        await write(file, range(round * 10, round * 10 + 10));
        await rotate(file, 2);
      }
      const linesOf = async (path: string) => (await readFile(path, "utf8")).trimEnd().split("\n");
      expect(await readFile(file, "utf8")).toBe("");
      expect(await linesOf(`${file}.1`)).toEqual(range(30, 40));
      expect(await linesOf(`${file}.2`)).toEqual(range(20, 30));
      expect((await readdir(folder)).sort()).toEqual(["w.log", "w.log.1", "w.log.2"]);
      await write(file, ["gone"]);
      await rotate(file, 0);
      expect(await readFile(file, "utf8")).toBe("");
    });
  });

  test("is followed across rotations, with each line once", async () => {
    await withFolder(async (folder) => {
      const file = join(folder, "w.log");
      await write(file, range(0, 20));
      const follower = new LogFollower(file);
      expect(await follower.last(5)).toEqual(range(15, 20));
      expect(await follower.next()).toEqual([]);
      await appendFile(file, "line 20\nline 2");
      expect(await follower.next()).toEqual(["line 20"]);
      await appendFile(file, "1\n");
      await rotate(file, 3);
      await write(file, range(22, 40));
      expect(await follower.next()).toEqual(range(21, 40));
      // Emptied by hand: nothing tells it from a rotation that has not ended, so it counts at the second look.
      await writeFile(file, "line 40\n");
      expect([await follower.next(), await follower.next()]).toEqual([[], ["line 40"]]);
      // Older files have what the newest lacks.
      expect(await new LogFollower(file).last(3)).toEqual(["line 20", "line 21", "line 40"]);
      expect(await new LogFollower(join(folder, "none.log")).last(3)).toEqual([]);
    });
  });
});
