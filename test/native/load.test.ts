import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadNative, nativePackage } from "../../src/native/mod.ts";
import { unlessNative } from "./support/native.ts";

const folder = mkdtempSync(join(tmpdir(), "waybill-native-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("looking for the addon", () => {
  test("says which file would not load, and why, rather than throw", () => {
    const absent = loadNative({ env: { WAYBILL_NATIVE: join(folder, "absent.node") } });
    expect(absent.addon).toBe(undefined);
    expect(absent.unavailable).toContain("absent.node");
    const broken = join(folder, "broken.node");
    writeFileSync(broken, "no addon at all");
    expect(loadNative({ env: { WAYBILL_NATIVE: broken } }).unavailable).toMatch(
      /^Cannot load the native addon: .*broken\.node/,
    );
    const other = join(folder, "other.cjs");
    writeFileSync(other, "module.exports = {};");
    expect(loadNative({ env: { WAYBILL_NATIVE: other } }).unavailable).toContain("is another addon");
  });

  unlessNative("finds the one that was built, as often as it is asked, and by its name", () => {
    const found = loadNative({ env: {} });
    expect(loadNative({ env: {} }).addon).toBe(found.addon);
    const named = loadNative({ env: { WAYBILL_NATIVE: "path" in found ? found.path : "" } });
    expect(named.addon?.version).toBe(found.addon?.version);
  });

  test("names the platform's package", () => expect(nativePackage("linux", "x64")).toBe("waybill-native-linux-x64"));
});
