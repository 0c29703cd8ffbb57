import { describe, expect, test } from "bun:test";
import { type DeploymentEvent, deploymentLog } from "../../src/deployment/mod.ts";
import { until } from "../support/program.ts";
import { ownPid, withDeployment } from "./support.ts";

describe("the log of a deployment", () => {
  test("has a record for each event, with the worker's facts and nothing that workers are told", async () => {
    const records: { level: string; message: string; fields?: Record<string, unknown> }[] = [];
    const at = (level: string) => (message: string, fields?: Record<string, unknown>) =>
      void records.push({ level, message, fields });
    const log = deploymentLog({ debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") });
    const events: DeploymentEvent[] = [];
    const onEvent = (event: DeploymentEvent) => {
      events.push(event);
      log(event);
    };
    const workers = [{
      name: "double",
      file: new URL("../fixtures/deployment/double.ts", import.meta.url),
      env: { SECRET: "hush" },
    }];
    await withDeployment({ workers }, async ({ deployment }) => {
      process.kill(deployment.workers[0]?.pid ?? ownPid, "SIGKILL");
      await until("it is back", () => deployment.workers[0]?.restarts === 1 && deployment.workers[0].state === "ready");
    }, { onEvent });
    expect(records).toHaveLength(events.length);
    const exited = records.find(({ level }) => level === "error");
    expect(exited).toMatchObject({
      message: "Worker double.0 ended with signal SIGKILL",
      fields: { event: "worker-exited", worker: { name: "double.0" }, exit: { signal: "SIGKILL" } },
    });
    expect(records.map(({ message }) => message)).toContain("Worker double.0: ready");
    expect(records.at(-1)).toMatchObject({ level: "info", message: "The deployment: stopped", fields: { event: "stopped" } });
    expect(JSON.stringify(records)).not.toContain("hush");
  }, 40_000);
});
