import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { runCommand } from "./run-command.ts";

/** Where everything is built. */
export const nativeBuild = "native/build";

/** The addon that src/native loads in a checkout. */
export const builtAddon: string = join(nativeBuild, "waybill.node");

/** A CUDA driver for machines without a GPU, for tests: device memory is the host's. */
export const fakeCuda: string = join(nativeBuild, "libfake_cuda.so");

const stamp = join(nativeBuild, "sources.sha256");

/** What the machine lacks to build the addon, or `undefined`. */
export async function missingBuildTools(): Promise<string | undefined> {
  const absent: string[] = [];
  for (
    const [tool, ...names] of [["cmake", "cmake"], ["a C++ compiler", process.env.CXX || "c++", "g++", "clang++"]] as const
  ) {
    const found = await Promise.all(names.map((name) => runCommand(name, ["--version"], { capture: true, timeoutMs: 20_000 })));
    if (found.every(({ code }) => code !== 0)) absent.push(tool);
  }
  if (absent.length === 0) return undefined;
  return `${
    absent.join(" and ")
  } missing (Debian, Ubuntu: apt-get install g++ cmake make; Fedora: dnf install gcc-c++ cmake make)`;
}

/** A hash over all that the addon is made of. */
function sourceHash(): string {
  const hash = createHash("sha256").update(process.version).update(JSON.stringify(process.env.CXX ?? ""));
  const files = globSync(["native/CMakeLists.txt", "native/{src,third_party,test/fake_cuda}/**/*"]).sort();
  for (const file of [...files, "package.json"]) {
    if (!statSync(file).isFile()) continue;
    hash.update(`${file}\0`).update(file === "package.json" ? packageVersion() : readFileSync(file));
  }
  return hash.digest("hex");
}

function packageVersion(): string {
  return (JSON.parse(readFileSync("package.json", "utf8")) as { version: string }).version;
}

/** Whether what is there was built from the sources as they are. */
export function nativeIsCurrent(): boolean {
  return existsSync(builtAddon) && existsSync(stamp) && readFileSync(stamp, "utf8") === sourceHash();
}

/**
 * Runs CMake in a folder of its own below {@linkcode nativeBuild}.
 *
 * @throws {Error} with the compiler's output
 */
export async function runCmake(
  name: string,
  settings: Readonly<Record<string, string>>,
  ...targets: string[]
): Promise<string> {
  const folder = join(nativeBuild, name);
  const definitions = Object.entries({ WAYBILL_VERSION: packageVersion(), ...settings }).map(([key, value]) =>
    `-D${key}=${value}`
  );
  const jobs = String(Math.min(availableParallelism(), 8));
  for (
    const args of [["-S", "native", "-B", folder, ...definitions], ["--build", folder, "-j", jobs, "--target", ...targets]]
  ) {
    const { code, output } = await runCommand("cmake", args, { capture: true });
    if (code !== 0) throw new Error(`cmake ${args.join(" ")} failed:\n${output.trimEnd()}`);
  }
  return folder;
}

/**
 * Builds the addon unless it is there as its sources are. Of two processes that do so at once, the second waits for the first.
 *
 * @returns why there is none, or `undefined`
 */
export async function ensureNative(log: (line: string) => void, force: boolean = false): Promise<string | undefined> {
  if (!force && nativeIsCurrent()) return undefined;
  const hash = sourceHash();
  const missing = await missingBuildTools();
  if (missing !== undefined) return `Cannot build the native addon: ${missing}. Everything that does without it works`;
  log(`Setting up: building the native addon, because ${existsSync(builtAddon) ? "its sources changed" : "there is none"}`);
  mkdirSync(nativeBuild, { recursive: true });
  const lock = await takeLock();
  try {
    if (!force && nativeIsCurrent()) return undefined;
    const folder = await runCmake("release", { WAYBILL_TESTS: "ON" }, "waybill", "fake_cuda");
    // Renamed into place: a process that has the old one open keeps it.
    for (const [built, path] of [["waybill.node", builtAddon], ["test/libfake_cuda.so", fakeCuda]] as const) {
      copyFileSync(join(folder, built), `${path}.${process.pid}`);
      renameSync(`${path}.${process.pid}`, path);
    }
    writeFileSync(stamp, hash);
    return undefined;
  } catch (error) {
    return `Cannot build the native addon: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    lock();
  }
}

/** Waits for another build in this folder. A lock of a process that is gone does not count. */
async function takeLock(): Promise<() => void> {
  const path = join(nativeBuild, "lock");
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: "wx" });
      return () => rmSync(path, { force: true });
    } catch {
      if (!ownerLives(path)) rmSync(path, { force: true });
      else await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

function ownerLives(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    // Just made, and not written yet.
    if (pid === 0) return true;
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
