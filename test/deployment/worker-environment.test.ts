import process from "node:process";
import { describe, expect, test } from "bun:test";
import { defineDeployment } from "../../src/deployment/mod.ts";
import { planDeployment } from "../../src/deployment/plan.ts";
import { workerEnvironment } from "../../src/deployment/worker-environment.ts";
import { fixture } from "./support.ts";

describe("a worker's environment", () => {
  test("shares a compile cache that only this user writes, unless there is one already", async () => {
    const plan = await planDeployment(defineDeployment({ workers: [{ name: "w", file: fixture("double.ts") }] }));
    const cache = () => workerEnvironment(plan, plan.workers[0]!, []).NODE_COMPILE_CACHE;
    const before = process.env.NODE_COMPILE_CACHE;
    try {
      delete process.env.NODE_COMPILE_CACHE;
      expect(cache()).toMatch(/\/waybill\/node-compile-cache$/);
      process.env.NODE_COMPILE_CACHE = "/elsewhere";
      expect(cache()).toBe("/elsewhere");
    } finally {
      if (before === undefined) delete process.env.NODE_COMPILE_CACHE;
      else process.env.NODE_COMPILE_CACHE = before;
    }
  });
});
