import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { locateUcx } from "../../src/native/mod.ts";
import { isPreferredUcx, readUcxVersion } from "../../src/native/ucx-version.ts";
import { cachedUcx } from "../../src/native/ucx-wheel.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "waybill-ucx-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A file that holds a version as a UCX library does. */
async function fakeLibrary(path: string, version: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `\x7fELF\0something 4.7.1\0A${version}\0%s\n\0`);
  return path;
}

async function look(env: Record<string, string>): Promise<{ found: string | undefined; lines: string[] }> {
  const lines: string[] = [];
  const found = await locateUcx({ env: { XDG_CACHE_HOME: join(folder, "none"), ...env }, log: (line) => lines.push(line) });
  return { found: found && `${found.version} from ${found.source}`, lines };
}

describe("looking for UCX", () => {
  test("takes the one that is named, before that of the loader's path, before the cache", async () => {
    const named = await fakeLibrary(join(folder, "named/libmine.so"), "1.20.3");
    const path = await fakeLibrary(join(folder, "path/libucp.so.0"), "1.19.0");
    const cache = { XDG_CACHE_HOME: join(folder, "cache") };
    await fakeLibrary(cachedUcx(cache), "1.22.0");
    const all = { ...cache, UCX_LIBRARY: named, LD_LIBRARY_PATH: `:${join(folder, "empty")}:${dirname(path)}` };
    expect((await look(all)).found).toBe("1.20.3 from UCX_LIBRARY");
    expect((await look({ ...all, UCX_LIBRARY: "" })).found).toBe("1.19.0 from vendor's folder");
  });

  test("takes an old one only where there is no newer one", async () => {
    const old = await fakeLibrary(join(folder, "old/libucp.so.0"), "1.13.1");
    const cache = { XDG_CACHE_HOME: join(folder, "cache-2") };
    const env = { ...cache, LD_LIBRARY_PATH: dirname(old) };
    await fakeLibrary(cachedUcx(cache), "1.22.0");
    // Whatever this machine has elsewhere, it is not this one.
    expect((await look(env)).found).not.toBe("1.13.1 from vendor's folder");
    expect([isPreferredUcx("1.13.1"), isPreferredUcx("1.14.0"), isPreferredUcx("2.0.0"), isPreferredUcx(undefined)])
      .toEqual([false, true, true, true]);
  });

  test("does not look further where the named one is missing, and says so", async () => {
    const { found, lines } = await look({ UCX_LIBRARY: join(folder, "absent.so") });
    expect(found).toBe(undefined);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("UCX_LIBRARY: ");
    expect(lines[0]).toContain("absent.so");
  });

  test("reads no version out of what is no library", async () => {
    const path = join(folder, "text");
    await writeFile(path, "1.22.0 is a version");
    expect(await readUcxVersion(path)).toBe(undefined);
  });
});
