// Sidecars run on Node, whatever runs the supervisor and the workers: Node runs this.
import { Buffer } from "node:buffer";
import { chmod, cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "bun:test";
import { type RemoteTensor, Tensor } from "../../mod.ts";
import type { DeploymentOptions } from "../../src/deployment/mod.ts";
import { failure } from "../data/support.ts";
import { isRunning, startProgram, until } from "../support/program.ts";
import { fixture, withDeployment } from "./support.ts";

const worker = (name: string, sidecar?: string | false) => ({ name, file: fixture("double.ts"), operators: [name], sidecar });
const x = Tensor.from("FP32", [1, 2, 3]);

describe("a deployment with sidecars", () => {
  test("starts them before its workers, whose tensors they hold, and ends them after", async () => {
    let pids: (number | undefined)[] = [];
    await withDeployment({
      sidecars: { a: { budgetBytes: 2 ** 28 }, b: { sharedMemory: false } },
      workers: [worker("double", "a"), worker("who", "b")],
    }, async ({ deployment, client, events, folder }) => {
      const ready = events.flatMap((event) => event.type === "worker-ready" ? [event.worker.name] : []);
      expect(ready.slice(0, 2).sort()).toEqual(["sidecar-a", "sidecar-b"]);
      const { sidecars } = deployment.status();
      expect(sidecars.map(({ name, state }) => [name, state])).toEqual([["sidecar-a", "ready"], ["sidecar-b", "ready"]]);
      pids = sidecars.map(({ pid }) => pid);
      const { y } = await client.operator("double", { inline: false }).infer({ x });
      expect([(y as RemoteTensor).node, (await y!.fetch()).data]).toEqual(["a", Float32Array.of(2, 4, 6)]);
      const { pid } = await client.operator("who", { inline: false }).infer({});
      expect((pid as RemoteTensor).node).toBe("b");
      for (const output of [y, pid]) await output!.release();
      const secret = await readFile(join(folder, "state/default.nodes/a.sock.secret"), "utf8");
      const log = await readFile(join(folder, "logs/sidecar-a.log"), "utf8");
      expect([log.includes("Serving"), log.includes(secret)]).toEqual([true, false]);
    });
    for (const pid of pids) expect(await isRunning(pid!)).toBe(false);
  });

  test("restarts them under live workers, which attach again, and lists what they hold", async () => {
    await withDeployment({
      sidecars: { a: { budgetBytes: 2 ** 26 } },
      // The only one is everybody's.
      workers: [worker("double")],
    }, async ({ deployment, client, folder }) => {
      const run = async (...args: string[]) => {
        const env = { XDG_RUNTIME_DIR: join(folder, "run"), WAYBILL_URL: deployment.urls[0] ?? "" };
        const program = startProgram("src/cli/main.ts", args, { env });
        return { code: (await program.exited).code, output: program.output };
      };
      // Where programs look for who to be.
      await cp(join(folder, "state"), join(folder, "run/waybill"), {
        recursive: true,
        filter: (path) => !path.endsWith(".sock"),
      });
      await chmod(join(folder, "run/waybill"), 0o700);
      const infer = () => client.operator("double", { inline: false }).infer({ x }, { timeoutMs: 20_000 });
      const old = (await infer()).y as RemoteTensor;
      const listed = await run("tensors", "--json");
      const [node] = JSON.parse(listed.output);
      expect(node).toMatchObject({
        node: "a",
        leases: 1,
        tensors: [{ dtype: "FP32", shape: [3], bytes: 12, holder: "double.0" }],
      });
      expect(listed.output).not.toContain(Buffer.from(old.waybill.capability).toString("base64url"));
      expect((await run("tensors", "a")).output).toMatch(/^a: 1 leases, [^]*FP32\[3\] +12 B +cpu +double\.0/);
      expect(await run("tensors", "nobody")).toMatchObject({ code: 1 });

      const [before] = deployment.status().sidecars;
      process.kill(before!.pid!, "SIGKILL");
      await until("it runs again", () => {
        const [now] = deployment.status().sidecars;
        return now?.state === "ready" && now.pid !== before!.pid;
      });
      expect(deployment.status().sidecars).toMatchObject([{ restarts: 1 }]);
      expect((await failure(old.fetch())).message).toContain("capability");
      // Until the worker is attached again its outputs are its own.
      let y = (await infer()).y as RemoteTensor;
      await until("outputs are the new one's", async () => {
        if (y.node === "a") return true;
        await y.release();
        y = (await infer()).y as RemoteTensor;
        return false;
      });
      expect((await y.fetch()).data).toEqual(Float32Array.of(2, 4, 6));
      expect((await run("tensors", "--json")).output).toContain('"leases": 1');
      await y.release();
    });
  });

  test("is refused where a worker names none of them, and a name makes no socket", async () => {
    const wrong: [Partial<DeploymentOptions>, string][] = [
      [
        { sidecars: { a: {} }, workers: [worker("double", "b")] },
        'workers[0].sidecar must be false or a name in sidecars, which are "a", got "b"',
      ],
      [{ sidecars: { "a/b": {} } }, 'a name in sidecars must be 1 to 32 of a-z, 0-9, _ and -, got "a/b"'],
      [{ sidecars: { a: { budgetBytes: 0 } } }, "sidecars.a.budgetBytes must be an integer from 1, got 0"],
      [{ sidecars: { a: { budget: 5 } as never } }, "unknown field sidecars.a.budget"],
    ];
    for (const [options, message] of wrong) {
      expect((await failure(withDeployment(options, async () => {}))).message).toContain(message);
    }
  });
});
