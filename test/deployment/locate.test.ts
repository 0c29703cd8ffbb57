import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { locateBroker } from "../../src/deployment/broker/locate.ts";
import { compareVersions } from "../../src/deployment/broker/version.ts";
import { cachedBinary, intoCache } from "../../src/obtain/cache.ts";
import { requireSha256 } from "../../src/obtain/download.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "waybill-locate-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A program that says it is a nats-server of some version. */
async function fakeServer(path: string, output: string): Promise<string> {
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, `#!/bin/sh\necho "${output}"\n`);
  await chmod(path, 0o755);
  return path;
}

/** Looks in an environment of its own, without obtaining anything. */
async function look(env: Record<string, string>): Promise<{ found: string; lines: string[] }> {
  const lines: string[] = [];
  const cache = { XDG_CACHE_HOME: join(folder, "no-cache") };
  try {
    const { version, source } = await locateBroker({
      env: { ...cache, ...env },
      obtain: false,
      log: (line) => lines.push(line),
    });
    return { found: `${version} from ${source}`, lines };
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    return { found: `${Code[code]}: ${rawMessage}`, lines };
  }
}

describe("locateBroker", () => {
  test("takes NATS_SERVER_BIN before PATH before the cache, and tells each step in one line", async () => {
    const named = await fakeServer(join(folder, "named/my-nats"), "nats-server: v2.14.1");
    const path = join(await fakeServer(join(folder, "path/nats-server"), "nats-server: v2.13.0"), "..");
    const cache = join(folder, "cache");
    await fakeServer(cachedBinary(join(cache, "waybill"), "2.12.3"), "nats-server: v2.12.3");

    const all = { NATS_SERVER_BIN: named, PATH: path, XDG_CACHE_HOME: cache };
    expect((await look(all)).found).toBe("2.14.1 from NATS_SERVER_BIN");
    expect((await look({ ...all, NATS_SERVER_BIN: "" })).found).toBe("2.13.0 from PATH");
    const last = await look({ XDG_CACHE_HOME: cache });
    expect(last.found).toBe("2.12.3 from cache");
    expect(last.lines).toEqual([
      "NATS_SERVER_BIN: not set",
      "PATH: no nats-server there",
      `cache: nats-server 2.12.3 at ${join(cache, "waybill/nats-server/2.12.3/nats-server")}`,
    ]);
  });

  test("passes over a broker that is too old, and takes a newer one further back in PATH", async () => {
    const old = await fakeServer(join(folder, "old/nats-server"), "nats-server: v2.9.10");
    const current = await fakeServer(join(folder, "new/nats-server"), "nats-server: v2.12.0");
    const { found, lines } = await look({ PATH: `${join(old, "..")}:${join(current, "..")}` });
    expect(found).toBe("2.12.0 from PATH");
    expect(lines).toContain(`PATH: passed over ${old}, which is 2.9.10, 2.12.0 or newer is needed`);
  });

  test("passes over a program that is no nats-server", async () => {
    const other = await fakeServer(join(folder, "other/nats-server"), "hello");
    const { lines } = await look({ NATS_SERVER_BIN: other });
    expect(lines[0]).toBe(`NATS_SERVER_BIN: passed over ${other}, which does not say its version: it printed "hello"`);
  });

  test("says what to install when there is none", async () => {
    const { found, lines } = await look({ NATS_SERVER_BIN: "/nowhere/nats-server" });
    expect(lines[0]).toBe('NATS_SERVER_BIN: names no executable file: "/nowhere/nats-server"');
    expect(found).toContain("NotFound: Cannot find a broker: nats-server 2.12.0 or newer is needed");
    expect(found).toContain("go install github.com/nats-io/nats-server/v2@v2.");
  });

  test("ends when aborted", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(locateBroker({ obtain: false, signal })).rejects.toThrow("enough");
  });
});

describe("the cache", () => {
  test("holds a binary under its version, and nothing of a failed attempt", async () => {
    const cache = join(folder, "fresh");
    const make = (at: string) => fakeServer(join(at, "made"), "nats-server: v2.15.0");
    expect(await intoCache(cache, "2.15.0", make)).toBe(join(cache, "nats-server/2.15.0/nats-server"));
    await expect(intoCache(cache, "2.16.0", () => Promise.reject(new Error("no network")))).rejects.toThrow("no network");
    expect(await readdir(cache)).toEqual(["nats-server"]);
  });

  test("refuses bytes that are not the pinned ones", () => {
    const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    requireSha256("nothing", new Uint8Array(), empty);
    expect(() => requireSha256("a zero", new Uint8Array(1), empty)).toThrow("a zero has the SHA-256 6e340b9c");
  });
});

test("versions are compared by number, with or without v and suffixes", () => {
  const sorted = ["2.9.10", "v2.12.0-RC.1", "2.15.2", "2.100.0"];
  expect([...sorted].reverse().sort(compareVersions)).toEqual(sorted);
});
