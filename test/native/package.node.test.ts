/** On Node alone: it runs all three runtimes itself. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packNative } from "../../scripts/lib/pack-native.ts";
import { runCommand } from "../../scripts/lib/run-command.ts";
import { loadNative, nativePackage } from "../../src/native/mod.ts";
import { outsideCommand } from "../support/program.ts";
import { unlessNative } from "./support/native.ts";

const program = `
import { loadNative } from "./src/native/load.ts";
const { addon, path, unavailable } = loadNative({ env: {} });
if (addon === undefined) throw new Error(unavailable);
const { fd } = addon.createMemorySegment("waybill-test", 4096);
const bytes = new Uint8Array(addon.mapSegment(fd, 4096, true));
bytes[1] = 1;
console.log(path, addon.version, new Uint8Array(addon.mapSegment(fd, 4096, false))[1]);
`;

describe("the platform's package", () => {
  let folder = "";
  beforeAll(async () => {
    if (loadNative().addon === undefined) return;
    folder = mkdtempSync(join(tmpdir(), "waybill-package-"));
    const tarball = await packNative(join(folder, "packed"));
    const app = join(folder, "app");
    mkdirSync(join(app, "src"), { recursive: true });
    writeFileSync(join(app, "package.json"), `{ "private": true, "type": "module" }`);
    const { code, output } = await runCommand("npm", ["install", "--offline", "--no-audit", "--no-fund", tarball], {
      cwd: app,
      capture: true,
    });
    if (code !== 0) throw new Error(output);
    // The loader as it is in the main package, and nothing that was built in this checkout near it.
    cpSync("src/native", join(app, "src/native"), { recursive: true });
    writeFileSync(join(app, "load.ts"), program);
  }, 120_000);
  afterAll(() => rmSync(folder || "/nonexistent", { recursive: true, force: true }));

  unlessNative("is for this platform alone, and names what others wrote", () => {
    const installed = join(folder, "app/node_modules", nativePackage());
    const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    expect([manifest.os, manifest.cpu, manifest.libc]).toEqual([[process.platform], [process.arch], ["glibc"]]);
    expect(manifest.version).toBe(JSON.parse(readFileSync("package.json", "utf8")).version);
    expect(readFileSync(join(installed, "NOTICE.md"), "utf8")).toContain("Redistribution and use in source and binary forms");
  });

  for (const runtime of ["node", "bun", "deno"] as const) {
    unlessNative(`is found and loaded by ${runtime} in a folder that was empty`, async () => {
      const [command = "", ...args] = outsideCommand(runtime);
      const { code, output } = await runCommand(command, [...args, "load.ts"], { cwd: join(folder, "app"), capture: true });
      expect(output).toContain(join("node_modules", nativePackage(), "waybill.node"));
      expect(output.trim().endsWith(" 1")).toBe(true);
      expect(code).toBe(0);
    });
  }
});
