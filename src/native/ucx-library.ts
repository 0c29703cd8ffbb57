import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { promisify } from "node:util";
import type { Environment } from "../obtain/cache.ts";
import { reasonOf } from "../obtain/download.ts";
import { systemLibraries, ucxLibraryName, vendorLibraries } from "./ucx-sources.ts";
import { isPreferredUcx, readUcxVersion } from "./ucx-version.ts";
import { cachedUcx, obtainUcxWheel } from "./ucx-wheel.ts";

const run = promisify(execFile);

/** A UCX that can be opened. */
export interface UcxLibrary {
  /** Full path of `libucp.so.0`; what else it needs it finds beside itself. */
  readonly path: string;
  /** Its version, such as `"1.22.0"`, where it could be read. */
  readonly version: string | undefined;
  /** Where it came from, such as `"PyPI wheel"`. */
  readonly source: string;
}

/** How to look for UCX. */
export interface LocateUcxOptions {
  /** Whether to fetch one where none, or only an old one, is found. Default `false`: what serves requests downloads nothing. */
  obtain?: boolean;
  /** Told each step in one line. Default: says nothing. */
  log?: (line: string) => void;
  /** Environment variables; `UCX_LIBRARY` names the library to use. Default: this process's. */
  env?: Environment;
  /** Gives up when aborted. */
  signal?: AbortSignal;
}

async function describe(path: string, source: string): Promise<UcxLibrary> {
  return { path, version: await readUcxVersion(path), source };
}

async function found(paths: readonly string[], source: string): Promise<UcxLibrary[]> {
  return await Promise.all(paths.map((path) => describe(path, source)));
}

async function installDebian(log: (line: string) => void, signal: AbortSignal | undefined): Promise<string[]> {
  if (process.getuid?.() !== 0) throw new Error("not used, because this is not root");
  log("Debian package: installing libucx0 with apt-get");
  const args = ["install", "--yes", "--no-install-recommends", "libucx0"];
  await run("apt-get", args, { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }, signal, timeout: 180_000 });
  return await systemLibraries();
}

/**
 * Finds UCX, or obtains it: `UCX_LIBRARY`; a vendor's folder or `LD_LIBRARY_PATH`; the system's loader; the cache; and where it may
 * obtain, the PyPI wheel, which it keeps in the cache, and Debian's package where that cannot be had. A system's library that is older
 * than 1.14 comes after the wheel.
 *
 * @returns `undefined` where there is none; `log` was told why
 */
export async function locateUcx(options: LocateUcxOptions = {}): Promise<UcxLibrary | undefined> {
  const { obtain = false, log = () => {}, env = process.env, signal } = options;
  const took = (library: UcxLibrary) => {
    log(`${library.source}: UCX ${library.version ?? "of an unknown version"} at ${library.path}`);
    return library;
  };
  const named = env.UCX_LIBRARY;
  if (named !== undefined && named !== "") {
    const fault = await access(named).then(() => undefined, reasonOf);
    if (fault === undefined) return took(await describe(named, "UCX_LIBRARY"));
    log(`UCX_LIBRARY: ${fault}`);
    return undefined;
  }
  const present = [
    ...await found(await vendorLibraries(env), "vendor's folder"),
    ...await found(await systemLibraries(), "system"),
  ];
  const cached = cachedUcx(env);
  if (await access(cached).then(() => true, () => false)) present.push(await describe(cached, "PyPI wheel"));
  const best = present.find(({ version }) => isPreferredUcx(version));
  if (best !== undefined) return took(best);

  if (obtain) {
    try {
      return took(await describe(await obtainUcxWheel({ env, log, signal }), "PyPI wheel"));
    } catch (error) {
      signal?.throwIfAborted();
      log(`PyPI wheel: ${reasonOf(error)}`);
    }
  }
  if (present[0] === undefined && obtain) {
    const installed = await installDebian(log, signal).catch((error: unknown) =>
      void log(`Debian package: ${reasonOf(error)}`)
    );
    present.push(...await found(installed ?? [], "Debian package"));
  }
  if (present[0] !== undefined) return took(present[0]);
  log(`no ${ucxLibraryName} on this machine`);
  return undefined;
}
