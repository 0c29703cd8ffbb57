// On one runtime: what is tested is files that processes write, which are the same under each.
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { describe, expect, test } from "bun:test";
import { until } from "../support/program.ts";
import { fixture, withDeployment, withFolder } from "./support.ts";

/** A worker is in discovery a moment before it says so in its log. */
async function recordsOf(file: string): Promise<{ worker?: string; msg?: string }[]> {
  await until(`${file} says so`, async () => (await readFile(file, "utf8")).includes('"Serving"'));
  return (await readFile(file, "utf8")).trim().split("\n").map((line) => JSON.parse(line));
}

describe("the logs of a deployment", () => {
  for (const clearLogs of [true, false]) {
    test(`[WK2] are one for each worker with that worker's records alone, ${clearLogs ? "cleared" : "kept"} as asked`, async () => {
      await withFolder(async (logDir) => {
        const file = fixture("double.ts");
        const names = ["one.0", "one.1", "two.0", "three.0"];
        await mkdir(logDir, { recursive: true });
        await writeFile(`${logDir}/one.0.log`, `{"worker":"one.0","msg":"Of an earlier run"}\n`);
        const workers = [{ name: "one", file, count: 2 }, { name: "two", file }, { name: "three", file }];
        await withDeployment({ workers, logDir, clearLogs }, async ({ deployment }) => {
          const folder = (await readdir(logDir)).filter((name) => name !== "nats-server.log");
          expect(folder.sort()).toEqual(names.map((name) => `${name}.log`).sort());
          expect(deployment.workers.map(({ logFile }) => logFile)).toEqual(names.map((name) => `${logDir}/${name}.log`));
          for (const name of names) {
            const records = await recordsOf(`${logDir}/${name}.log`);
            expect([...new Set(records.map(({ worker }) => worker))]).toEqual([name]);
            expect(records.filter(({ msg }) => msg === "Serving")).toHaveLength(1);
            const earlier = records.filter(({ msg }) => msg === "Of an earlier run").length;
            expect([name, earlier]).toEqual([name, name === "one.0" && !clearLogs ? 1 : 0]);
          }
        });
      });
    });
  }
});
