// Sidecars run on Node, whatever runs the supervisor and the workers: Node runs this.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { type RemoteTensor, Tensor } from "../../mod.ts";
import { isRunning } from "../support/program.ts";
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
});
