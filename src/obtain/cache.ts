import { chmod, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where programs and libraries of others are kept between runs: `$XDG_CACHE_HOME/waybill`, or `~/.cache/waybill`. */
export function cacheDirectory(env: Environment): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), ".cache"), "waybill");
}

/** Where the cache holds a version of a program: the broker, where no other is named. */
export function cachedBinary(cacheDir: string, version: string, name: string = "nats-server"): string {
  return join(cacheDir, name, version, name);
}

/**
 * Puts a binary into the cache. `make` gets an empty folder and returns the path of the file that it made there. Moved into place
 * at the end, so that two processes which do this at once do not see each other's half.
 */
export async function intoCache(
  cacheDir: string,
  version: string,
  make: (folder: string) => Promise<string>,
  name?: string,
): Promise<string> {
  return await inNewFolder(cacheDir, async (folder) => {
    const made = await make(folder);
    await chmod(made, 0o755);
    const path = cachedBinary(cacheDir, version, name);
    await mkdir(dirname(path), { recursive: true });
    await rename(made, path);
    return path;
  });
}

/**
 * Puts a folder into the cache, as {@linkcode intoCache} does it with a binary: what `make` leaves in an empty folder. One that is there
 * already, since another process was quicker, stays.
 */
export async function folderIntoCache(path: string, make: (folder: string) => Promise<void>): Promise<void> {
  await inNewFolder(dirname(path), async (folder) => {
    const made = join(folder, "made");
    await mkdir(made);
    await make(made);
    await rename(made, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  });
}

async function inNewFolder<T>(parent: string, use: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, "new-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
