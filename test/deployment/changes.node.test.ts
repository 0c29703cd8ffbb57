// On one runtime: what is tested is processes, which are the same under each; smoke.test.ts runs on all.
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { type ChangeProgress, defineDeployment } from "../../src/deployment/mod.ts";
import { isRunning, until } from "../support/program.ts";
import { failure } from "../support/waiting.ts";
import { startLoad } from "./load.ts";
import { fixture, testOptions, whoIs, withDeployment } from "./support.ts";
import { slowRequest } from "./up.ts";

const file = fixture("versioned.ts");
const answering = { name: "answering", file };

const stepsOf = (progress: readonly ChangeProgress[]) => progress.map(({ worker, step }) => `${worker} ${step}`);

describe("scaling a running deployment", () => {
  for (const mode of ["queue", "direct"] as const) {
    test(`loses no ${mode} request while workers come and go under load`, async () => {
      await withDeployment({ workers: [answering] }, async ({ deployment, client }) => {
        const load = startLoad(client, 16, { mode });
        for (const count of [3, 1, 2]) {
          const before = load.answered;
          expect(await deployment.scale("answering", count)).toMatchObject({ count, ready: count, health: "ready" });
          expect(deployment.workers.map(({ name }) => name)).toEqual(
            Array.from({ length: count }, (_, number) => `answering.${number}`),
          );
          await until("requests are answered after it", () => load.answered > before + 100);
          if (count === 3) await until("others answer too", () => load.pids.size > 1);
        }
        const { sent, texts, failures } = await load.stop();
        expect(failures).toEqual([]);
        expect(texts.get("one")).toBe(sent);
      });
    });
  }

  test("lets a worker finish what it has, takes it to none and back, and its requests wait meanwhile", async () => {
    await withDeployment({}, async ({ deployment, client }) => {
      const { answer } = await slowRequest(client, 800);
      const [worker] = deployment.workers;
      const progress: ChangeProgress[] = [];
      const none = await deployment.scale("double", 0, { onProgress: (step) => progress.push(step) });
      expect(none).toMatchObject({ count: 0, ready: 0, health: "ready" });
      expect(await answer).toBe(42);
      expect(await isRunning(worker?.pid ?? 0)).toBe(false);
      expect(stepsOf(progress)).toEqual(["double.0 draining", "double.0 stopped"]);
      const waiting = client.operator("double").infer({ x: Float32Array.of(4) }, { timeoutMs: 30_000 });
      await deployment.scale("double", 1);
      expect((await (await waiting).y?.fetch())?.data[0]).toBe(8);
    });
  });

  test("leaves callers the time to fetch what a worker answered by reference before it went", async () => {
    await withDeployment({ workers: [answering] }, async ({ deployment, client }) => {
      const { n } = await client.operator("answer").infer({ n: Int32Array.of(7) }, { inline: false });
      let left = false;
      const leaving = deployment.scale("answering", 0).then(() => left = true);
      await until("it has no instance any more", async () => (await client.operators())[0]?.instances.length === 0);
      expect(left).toBe(false);
      expect((await n?.fetch())?.data[0]).toBe(7);
      await n?.release();
      await leaving;
    });
  });

  test("kills a worker that does not drain in time, and what it had runs again elsewhere", async () => {
    await withDeployment({ workers: [{ ...answering, count: 2, args: ["takesMs=1500"] }] }, async ({ deployment, client }) => {
      const load = startLoad(client, 20);
      await until("requests are answered", () => load.answered > 0);
      const progress: ChangeProgress[] = [];
      await deployment.scale("answering", 1, { drainMs: 0, onProgress: (step) => progress.push(step) });
      expect(stepsOf(progress)).toEqual(["answering.1 draining", "answering.1 killed"]);
      // Nobody waits for the lease of the killed one.
      await until("discovery has forgotten it", async () => {
        return (await client.operators()).find(({ name }) => name === "answer")?.instances.length === 1;
      }, 5_000);
      const { failures, sent, texts } = await load.stop();
      expect(failures).toEqual([]);
      expect(texts.get("one")).toBe(sent);
    });
  });

  test("takes out what does not start, with the end of its log, and keeps what serves", async () => {
    await withDeployment({ workers: [answering] }, async ({ deployment, folder, client }) => {
      const bad = { name: "bad", file, args: ["crash"] };
      const error = await failure(deployment.add(bad));
      expect(error.rawMessage).toMatch(
        /^Cannot start the worker "bad\.0": it ended 3 times in a row, last with exit code 3\. Its log ends with:\n(.*\n)*this is why: the new one does not start\nThe log is .*bad\.0\.log$/,
      );
      expect(deployment.components.map(({ name }) => name)).toEqual(["answering"]);
      expect(deployment.workers).toHaveLength(1);
      expect(await readFile(join(folder, "logs/bad.0.log"), "utf8")).toContain("this is why");
      const unknown = await failure(deployment.scale("nope", 2));
      expect(unknown.rawMessage).toBe(`Cannot scale "nope": the deployment's components are "answering"`);
      const negative = await failure(deployment.scale("answering", -1));
      expect(negative.rawMessage).toBe('Cannot scale "answering": count must be an integer from 0, got -1');
      expect(Number((await client.operator("answer").infer({ n: Int32Array.of(3) })).n?.shape[0])).toBe(1);
    });
  });

  test("is given up where it is told to: what serves stays, what does not is taken out", async () => {
    await withDeployment({ workers: [answering] }, async ({ deployment, client }) => {
      const controller = new AbortController();
      const onProgress = ({ step }: ChangeProgress) => void (step === "starting" && controller.abort(new Error("enough")));
      await expect(deployment.scale("answering", 3, { signal: controller.signal, onProgress })).rejects.toThrow();
      const late = await failure(deployment.restart("answering", { timeoutMs: 1 }));
      expect(late.rawMessage).toBe("Cannot finish the change of the deployment: it must be made within 1 ms");
      await until(
        "only the first is left",
        () => deployment.workers.length === 1 && deployment.components[0]?.health === "ready",
      );
      // The next change waits for the end of those before.
      expect(await deployment.scale("answering", 2)).toMatchObject({ count: 2, ready: 2 });
      const load = startLoad(client, 2);
      await until("both answer", () => load.pids.size === 2);
      expect((await load.stop()).failures).toEqual([]);
    });
  });
});

describe("a component", () => {
  test("is added and removed while others serve, and its operators go on being declared", async () => {
    await withDeployment({ workers: [answering] }, async ({ deployment, client }) => {
      const load = startLoad(client, 4);
      const double = { name: "extra", file: fixture("double.ts"), operators: ["who"], env: { GREETING: "hello" }, count: 2 };
      expect(await deployment.add(double)).toMatchObject({ name: "extra", count: 2, ready: 2, health: "ready" });
      expect((await whoIs(client)).args[0]).toBe("hello");
      const again = await failure(deployment.add(double));
      expect(again.rawMessage).toContain('Cannot add "extra": a component of that name is there already');
      const wrong = await failure(deployment.add({ ...double, name: "other", runtime: "python" as "bun" }));
      expect(wrong.rawMessage).toContain('worker.runtime must be "bun" or "deno" or "node", got "python"');
      await deployment.remove("extra");
      expect(deployment.components.map(({ name }) => name)).toEqual(["answering"]);
      const waiting = client.operator("who").infer({}, { timeoutMs: 30_000 });
      await deployment.add({ ...double, name: "later" });
      await waiting;
      expect((await load.stop()).failures).toEqual([]);
    });
  });
});

describe("restarting a component", () => {
  test("replaces each worker under load, and the next ends only when the one before serves", async () => {
    await withDeployment({ workers: [{ ...answering, count: 2 }] }, async ({ deployment, client }) => {
      const before = deployment.workers.map(({ pid }) => pid);
      const load = startLoad(client, 8);
      const fetching = startLoad(client, 4, { inline: false });
      const progress: ChangeProgress[] = [];
      let fewest = Infinity;
      const onProgress = (step: ChangeProgress) => {
        progress.push(step);
        fewest = Math.min(fewest, deployment.components[0]?.ready ?? 0);
      };
      expect(await deployment.restart("answering", { onProgress })).toMatchObject({ count: 2, ready: 2, health: "ready" });
      expect(stepsOf(progress)).toEqual(
        ["answering.0", "answering.1"].flatMap((name) =>
          ["starting", "ready", "draining", "stopped"].map((step) => `${name} ${step}`)
        ),
      );
      expect(fewest).toBe(2);
      const after = deployment.workers.map(({ pid }) => pid);
      expect(after.filter((pid) => before.includes(pid))).toEqual([]);
      progress.length = 0;
      await deployment.restart("answering.1", { onProgress, order: "stop-first" });
      expect(stepsOf(progress)).toEqual(["draining", "stopped", "starting", "ready"].map((step) => `answering.1 ${step}`));
      expect(deployment.workers[0]?.pid).toBe(after[0]);
      for (const { failures, sent, texts } of [await load.stop(), await fetching.stop()]) {
        expect(failures).toEqual([]);
        expect(texts.get("one")).toBe(sent);
      }
    });
  });

  test("revives a worker that was given up", async () => {
    const restart = { maxRestarts: 1, backoffMs: 10 };
    await withDeployment({ workers: [answering], restart }, async ({ deployment, client }) => {
      const kill = () => process.kill(deployment.workers[0]?.pid ?? 0, "SIGKILL");
      kill();
      await until("it is there again", () => deployment.workers[0]?.restarts === 1 && deployment.workers[0].state === "ready");
      kill();
      await until("it was given up", () => deployment.components[0]?.health === "failed");
      expect(deployment.components[0]?.reason).toBe(
        "answering.0 ended with signal SIGKILL, 2 times in a row, and was given up",
      );
      await until("its last lines are known", () => (deployment.workers[0]?.lastLines.length ?? 0) > 0);
      expect(await deployment.restart("answering")).toMatchObject({ ready: 1, health: "ready", reason: undefined });
      await client.operator("answer").infer({ n: Int32Array.of(1) });
    });
  });
});

describe("applying a changed definition", () => {
  const applied = (folder: string, args: string[], count?: number) =>
    defineDeployment(testOptions(folder, { workers: [{ ...answering, args, count }] }));

  test("upgrades a component under load without a failed request, also to another version of its operator", async () => {
    await withDeployment({ workers: [{ ...answering, count: 2 }] }, async ({ deployment, client, folder }) => {
      const load = startLoad(client, 32);
      await until("the old one answers", () => load.answered > 100);
      const definition = applied(folder, ["version=2", "answer=two"]);
      const expected = [{ name: "answering", action: "replace", what: ["args"] }];
      expect(await deployment.apply(definition, { dryRun: true })).toEqual(expected as never);
      expect(deployment.workers[0]?.instance).toBeDefined();
      expect(await deployment.apply(definition)).toEqual(expected as never);
      const before = load.answered;
      await until("the new one answers", () => load.answered > before + 100);
      const { failures, sent, texts } = await load.stop();
      expect(failures).toEqual([]);
      expect((texts.get("one") ?? 0) + (texts.get("two") ?? 0)).toBe(sent);
      expect(texts.get("two")).toBeGreaterThan(100);
      expect(deployment.workers.map(({ state }) => state)).toEqual(["ready", "ready"]);
      expect(await deployment.apply(definition)).toEqual([{ name: "answering", action: "keep", what: [] }]);
      expect((await client.operators()).map(({ versions }) => versions)).toEqual([["2"]]);
    });
  });

  for (const order of ["start-first", "stop-first"] as const) {
    test(`goes back to an older version under load, ${order}`, async () => {
      const workers = [{ ...answering, args: ["version=2", "answer=two"], count: 2 }];
      await withDeployment(
        { workers },
        async ({ deployment, client, folder }) => {
          const load = startLoad(client, 32);
          const direct = startLoad(client, 4, { mode: "direct" });
          await until("the newer one answers", () => load.answered > 100);
          await deployment.apply(applied(folder, ["version=1", "answer=one"]), { order });
          const before = load.answered;
          await until("the older one answers", () => load.answered > before + 100);
          for (const { failures, texts } of [await load.stop(), await direct.stop()]) {
            expect(failures).toEqual([]);
            expect([...texts.keys()]).toEqual(["two", "one"]);
          }
          const gone = await failure(client.operator("answer", { version: 2 }).infer({ n: Int32Array.of(1) }));
          expect(gone.rawMessage).toContain('its version must be one of "1", got "2"');
        },
        {},
        { operatorWaitMs: 1_000 },
      );
    });
  }

  test("keeps the old workers when the new ones do not start, and says why", async () => {
    await withDeployment({ workers: [{ ...answering, count: 2 }] }, async ({ deployment, client, folder }) => {
      const before = deployment.workers.map(({ pid }) => pid);
      const load = startLoad(client, 4);
      const error = await failure(deployment.apply(applied(folder, ["crash"])));
      expect(error.rawMessage).toContain("this is why: the new one does not start");
      expect(deployment.workers.map(({ pid }) => pid)).toEqual(before);
      expect(await deployment.scale("answering", 3)).toMatchObject({ ready: 3 });
      expect((await load.stop()).failures).toEqual([]);
    });
  });

  test("sees a change of the code, adds and removes, and refuses what cannot change while it runs", async () => {
    await withDeployment({ workers: [] }, async ({ deployment, client, folder }) => {
      // In the repository, so that the copies find what they import.
      const code = join(process.cwd(), `test/fixtures/.changing-${process.pid}`);
      await mkdir(code, { recursive: true });
      try {
        await writeFile(join(code, "greeting.ts"), `export const greeting = "before";\n`);
        const text = await readFile(file, "utf8");
        const imported = text.replace(`args.get("answer") ?? "one"`, "greeting");
        await writeFile(join(code, "worker.ts"), `import { greeting } from "./greeting.ts";\n${imported}`);
        await copyFile(file, join(code, "other.ts"));
        const definition = (...names: string[]) =>
          defineDeployment(testOptions(folder, { workers: names.map((name) => ({ name, file: join(code, `${name}.ts`) })) }));
        const what = async (...names: string[]) =>
          (await deployment.apply(definition(...names))).map(({ name, action, what }) =>
            `${action} ${name}: ${what.join(", ")}`
          );
        expect(await what("worker")).toEqual(["add worker: count 1"]);
        const load = startLoad(client, 4);
        await writeFile(join(code, "greeting.ts"), `export const greeting = "after";\n`);
        expect(await what("worker")).toEqual(["replace worker: code"]);
        const before = load.answered;
        await until("the new one answers", () => load.answered > before + 20);
        expect(await what("other")).toEqual(["add other: count 1", "remove worker: 1 to 0"]);
        const { failures, texts } = await load.stop();
        expect(failures).toEqual([]);
        expect([...texts.keys()].slice(0, 2)).toEqual(["before", "after"]);
        const options = testOptions(folder, { workers: [], namespace: "another", token: "s3cret" });
        const refused = await failure(deployment.apply(defineDeployment(options)));
        expect(refused.rawMessage).toMatch(
          /namespace, token must be as they were when it was started; stop the deployment and start/,
        );
      } finally {
        await rm(code, { recursive: true });
      }
    });
  });
});
