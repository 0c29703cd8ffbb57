// On one runtime: each command is a process; the deployments under them are tested on all.
import { mkdir, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { connect } from "../../mod.ts";
import { fixture, freePorts, untilGone, whoIs, withFolder } from "../deployment/support.ts";
import { codeOf, listed, runCommand, slowRequest, withUp } from "../deployment/up.ts";
import { startProgram } from "../support/program.ts";

const deployFile = "test/fixtures/deployment/deploy.ts";
const freeBroker = ["--port", "0", "--websocket-port", "0", "--starting-metrics-port", "0"];

describe("waybill ps", () => {
  test("lists deployments and their workers, for people and as JSON", async () => {
    await withUp({ args: ["--name", "demo"] }, async ({ run, folder, pids, status }) => {
      const { code, output } = await run("ps");
      expect(code).toBe(0);
      const [title, urls, head, ...rows] = output.trimEnd().split("\n");
      expect(title).toMatch(/^demo: running, pid \d+, up \d+ s, .*deploy\.ts$/);
      expect(urls).toContain(`${status.urls.join(" and ")} (nats-server ready, pid ${pids[1]})`);
      expect(head?.trim().split(/ {2,}/)).toEqual([
        "NAME",
        "PID",
        "RUNTIME",
        "STATE",
        "RESTARTS",
        "UPTIME",
        "METRICS",
        "OPERATORS",
      ]);
      expect(rows.map((row) => row.trim().split(/ {2,}/).filter((_, column) => column !== 5))).toEqual([
        ["double.0", `${pids[2]}`, "bun", "ready", "0", "-", "double, who"],
        ["spawning.0", `${pids[3]}`, "bun", "ready", "0", "-", "child"],
      ]);
      expect(await listed(folder)).toMatchObject([{ name: "demo", status: { state: "running", namespace: "default" } }]);
    });
  });

  test("removes what a killed supervisor has left, and says so where none runs", async () => {
    await withFolder(async (folder) => {
      await mkdir(join(folder, "waybill"), { mode: 0o700 });
      const record = JSON.stringify({ name: "old", pid: 2 ** 22 + 1, startedAtMs: 0 });
      await writeFile(join(folder, "waybill/old.json"), record);
      expect((await runCommand(folder, ["ps"])).output.trim()).toBe("No deployment runs");
      expect(await listed(folder)).toEqual([]);
    });
  });

  test("refuses a folder that others can look into", async () => {
    await withFolder(async (folder) => {
      await mkdir(join(folder, "waybill"), { mode: 0o755 });
      const { code, output } = await runCommand(folder, ["ps"]);
      expect(code).toBe(1);
      expect(output).toMatch(
        /^Cannot list deployments in ".*waybill": it must be a folder of user \d+ with mode 700, got .* mode 755$/m,
      );
    });
  });
});

describe("waybill down", () => {
  test("drains, waits until all has stopped, and ends with the deployment's exit code", async () => {
    await withUp({ args: ["--name", "demo"] }, async ({ program, client, run, pids }) => {
      const { answer } = await slowRequest(client, 1_000);
      const stopped = run("down", "demo");
      expect(await answer).toBe(42);
      expect(await stopped).toEqual({ code: 0, output: 'Deployment "demo" has stopped with exit code 0\n' });
      expect(await codeOf(program.exited)).toBe(0);
      await untilGone(pids);
    });
  });

  test("does not wait for requests when told not to", async () => {
    await withUp({}, async ({ program, client, run }) => {
      await slowRequest(client, 30_000);
      expect((await run("down", "--drain-ms", "0")).code).toBe(137);
      expect(await codeOf(program.exited)).toBe(137);
    });
  });

  test("says which deployments there are", async () => {
    await withUp({ args: ["--name", "demo"] }, async ({ run, folder }) => {
      const wrong = await run("down", "other");
      expect([wrong.code, wrong.output.trim()]).toEqual([1, 'Cannot stop the deployment "other": those that run are "demo"']);
      const same = await runCommand(folder, [
        "up",
        deployFile,
        ...freeBroker,
        "--name",
        "demo",
        "--log-dir",
        `${folder}/logs2`,
      ]);
      expect(same.code).toBe(1);
      expect(same.output).toContain(
        'Cannot start the deployment "demo": one of that name runs already; stop it with "waybill down demo"',
      );
    });
    await withFolder(async (folder) => {
      const { code, output } = await runCommand(folder, ["down"]);
      expect([code, output.trim()]).toEqual([1, "Cannot stop a deployment: none runs"]);
    });
  });
});

describe("waybill up", () => {
  test("prints JSON lines where it is told to", async () => {
    await withFolder(async (folder) => {
      const args = ["up", deployFile, "--json", "--log-dir", join(folder, "logs"), ...freeBroker];
      const up = startProgram("src/cli/main.ts", args, { env: { XDG_RUNTIME_DIR: folder } });
      try {
        await up.waitFor(/"event":"started"/, 50_000);
        expect(await codeOf(up.kill("SIGTERM"))).toBe(0);
      } finally {
        await up.kill();
      }
      const lines = up.output.trim().split("\n").map((line) => JSON.parse(line));
      expect(lines.map(({ msg }) => msg)).toContain("Worker double.0: ready");
      expect(lines.at(-1)).toMatchObject({ level: 30, msg: "The deployment: stopped", exitCode: 0 });
    });
  });

  test("leaves a deployment in the background where it is told to", async () => {
    await withFolder(async (folder) => {
      const args = ["up", deployFile, ...freeBroker, "--log-dir", join(folder, "logs"), "--detach"];
      try {
        const { code, output } = await runCommand(folder, args);
        expect([code, output]).toEqual([0, expect.stringContaining('Deployment "default" runs in the background')]);
        const [deployment] = await listed(folder);
        const client = await connect(deployment?.status?.urls ?? [], { local: { folder: join(folder, "waybill") } });
        expect((await whoIs(client)).args).toEqual([""]);
        await client.close();
      } finally {
        expect((await runCommand(folder, ["down"])).output).toContain("exit code 0");
      }
    });
  });

  test("says why a deployment that was to run in the background does not", async () => {
    await withFolder(async (folder) => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
      const { port } = server.address() as AddressInfo;
      const args = ["up", deployFile, ...freeBroker, "--log-dir", join(folder, "logs"), "--detach"];
      const { code, output } = await runCommand(folder, [...args, "--port", `${port}`]);
      server.close();
      expect(code).toBe(1);
      expect(output).toMatch(/^The deployment has ended, its log says:\n(.*\n)*.*port \d+, for the broker, is taken/);
    });
  });

  test("refuses files and flags that it cannot use, in words", async () => {
    await withFolder(async (folder) => {
      const said = async (...args: string[]) => {
        const { code, output } = await runCommand(folder, args);
        expect(code).toBe(1);
        return output.trim();
      };
      expect(await said("up", "nowhere.ts")).toBe('Cannot load the deployment "nowhere.ts": there is no such file');
      await writeFile(join(folder, "broken.ts"), "export default {;");
      expect(await said("up", join(folder, "broken.ts"))).toMatch(/^Cannot load the deployment ".*broken\.ts": /);
      await writeFile(join(folder, "other.ts"), "export default { workers: [] };");
      expect(await said("up", join(folder, "other.ts"))).toContain(
        "its default export must come from defineDeployment(), got a default",
      );
      expect(await said("up", deployFile, "--port", "high")).toBe(
        'Cannot run this: --port must be a port from 0 to 65535, got "high"',
      );
      expect(await said("up", deployFile, "--log-level", "loud")).toContain(
        "--log-level must be error, warn, info, debug or a number",
      );
      expect(await said("worker", deployFile)).toContain(
        "its default export must come from defineWorker(), got a default export",
      );
    });
  });

  test("[I4] may start after its clients, and does not meet another deployment on the machine", async () => {
    const [first, second] = [await freePorts(3), await freePorts(3)];
    await withFolder(async (folder) => {
      const env = { XDG_RUNTIME_DIR: folder };
      const up = (port: number) => {
        const ports = ["--port", `${port}`, "--websocket-port", `${port + 1}`, "--starting-metrics-port", "0"];
        return startProgram("src/cli/main.ts", ["up", deployFile, ...ports, "--log-dir", join(folder, `${port}`)], { env });
      };
      // All four at the same moment.
      const programs = [up(first), up(second)];
      try {
        const answers = await Promise.all([first, second].map(async (port) => {
          const local = { folder: join(folder, "waybill") };
          const waits = { waitOnFirstConnectMs: 40_000, operatorWaitMs: 40_000, local };
          const client = await connect([`nats://127.0.0.1:${port}`], waits);
          const seen = new Set<number>();
          for (let request = 0; request < 5; request++) seen.add((await whoIs(client)).pid);
          await client.close();
          return [...seen];
        }));
        for (const program of programs) await program.waitFor(/^Workers started/m, 40_000);
        const deployments = await listed(folder);
        expect(deployments.map(({ name }) => name)).toEqual(["default", "default-2"]);
        for (const { status } of deployments) {
          const port = Number(new URL(status?.urls[0] ?? "").port);
          expect(answers[[first, second].indexOf(port)]).toEqual([status?.workers[0]?.pid]);
        }
      } finally {
        for (const program of programs) process.kill(program.pid, "SIGTERM");
        expect(await Promise.all(programs.map(({ exited }) => codeOf(exited)))).toEqual([0, 0]);
      }
    });
  });
});

describe("waybill worker", () => {
  test("runs the worker of a file, and what is said goes before what the file says", async () => {
    await withUp({}, async ({ status, client, folder }) => {
      const args = ["worker", fixture("double.ts"), "--url", status.urls[0] ?? "", "--name", "by-hand", "--metrics-port", "0"];
      const program = startProgram("src/cli/main.ts", args, { env: { XDG_RUNTIME_DIR: folder } });
      try {
        const [, metrics = ""] = await program.waitFor(/"metrics":"(http[^"]*)".*"msg":"Serving"/);
        expect(await (await fetch(metrics)).text()).toContain('worker="by-hand"');
        const instances = (await client.operators()).find(({ name }) => name === "who")?.instances.map(({ name }) => name);
        expect(instances?.sort()).toEqual(["by-hand", "double.0"]);
      } finally {
        expect(await codeOf(program.kill("SIGTERM"))).toBe(0);
      }
    });
  });
});
