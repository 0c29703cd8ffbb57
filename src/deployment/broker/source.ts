import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** What a source may use. */
export interface SourceContext {
  /** Environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The project's cache folder. */
  readonly cacheDir: string;
  /** Tells what is about to take long, in one line. */
  readonly log: (line: string) => void;
  /** Ends the search. */
  readonly signal: AbortSignal | undefined;
}

/** A place where a broker can come from. */
export interface BrokerSource {
  /** What it is called when told. */
  readonly name: string;
  /** Whether it fetches or builds something, rather than looks. */
  readonly obtains: boolean;
  /**
   * Names the binaries there, the best first.
   *
   * @throws {Error} why there is none
   */
  find(context: SourceContext): Promise<string[]>;
}

/** Where brokers are kept between runs: `$XDG_CACHE_HOME/waybill`, or `~/.cache/waybill`. */
export function cacheDirectory(env: SourceContext["env"]): string {
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
  await mkdir(cacheDir, { recursive: true });
  const folder = await mkdtemp(join(cacheDir, "new-"));
  try {
    const made = await make(folder);
    await chmod(made, 0o755);
    const path = cachedBinary(cacheDir, version, name);
    await mkdir(dirname(path), { recursive: true });
    await rename(made, path);
    return path;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Refuses bytes that are not the pinned ones. */
export function requireSha256(what: string, bytes: Uint8Array, wanted: string): void {
  const seen = createHash("sha256").update(bytes).digest("hex");
  if (seen !== wanted) throw new Error(`${what} has the SHA-256 ${seen}, the pinned one is ${wanted}`);
}

/** Downloads a file. */
export async function download(url: string, signal: AbortSignal | undefined, timeoutMs: number = 120_000): Promise<Uint8Array> {
  const late = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { signal: signal === undefined ? late : AbortSignal.any([signal, late]) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The text of what was thrown, in one line, with the cause that `fetch` hides the reason in. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return `${error.message}${cause}`.trim().split("\n")[0] ?? "";
}
