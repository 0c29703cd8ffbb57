// On one runtime: what is tested is the supervisor's, which is the same under each.
import { describe, expect, test } from "bun:test";
import { fixture, withDeployment } from "./support.ts";

interface Told {
  readonly worker?: { readonly name: string; readonly pid: number; readonly restarts: number };
  readonly exit?: { readonly signal: string };
  readonly command?: string;
}

describe("a deployment", () => {
  test("tells as events when a worker crashes, comes back, and is scaled, and nothing of logs and paths", async () => {
    const workers = [{ name: "double", file: fixture("double.ts") }];
    await withDeployment({ workers }, async ({ deployment, client }) => {
      const subscription = await client.events.subscribe(["deployment", deployment.name], { component: "supervisor" });
      const texts: string[] = [];
      const heard = async (type: string, worker: string) => {
        for (;;) {
          const event = await subscription.next({ timeoutMs: 20_000 });
          texts.push(new TextDecoder().decode(event.bytes));
          if (event.type === type && (event.levels[2] ?? "") === worker) return event.json<Told>();
        }
      };
      const pid = deployment.workers[0]?.pid ?? 0;
      process.kill(pid, "SIGKILL");
      expect(await heard("worker-exited", "double.0")).toMatchObject({ exit: { signal: "SIGKILL" } });
      const ready = await heard("worker-ready", "double.0");
      expect([ready.worker?.restarts, ready.worker?.pid === pid]).toEqual([1, false]);
      const scaling = deployment.scale("double", 2);
      expect(await heard("changing", "")).toEqual({ command: "scale" });
      await heard("worker-ready", "double.1");
      const components = [{ name: "double", count: 2, ready: 2, health: "ready" }];
      expect(await heard("changed", "")).toEqual({ command: "scale", components });
      await scaling;
      for (const secret of ["logFile", "double.ts", "logs"]) expect(texts.join()).not.toContain(secret);
    });
  });
});
