import { existsSync } from "node:fs";
import { join } from "node:path";
import { cachedBinary, cacheDirectory, intoCache } from "../../src/obtain/cache.ts";
import { runCommand } from "./run-command.ts";

const name = "connectconformance";
/** The version of Connect's conformance suite, whose messages test/conformance/proto has. */
export const conformanceVersion = "1.0.5";
const target = `connectrpc.com/conformance/cmd/${name}@v${conformanceVersion}`;
/** What Go says of a module proxy that does not answer. */
const unreachable = /dial tcp|no such host|i\/o timeout|connection refused|network is unreachable|module lookup disabled/;
/** Where Go's own installer puts it, for those who have not put it into `PATH`. */
const goCommands = ["go", "/usr/local/go/bin/go"];

/** Why the runner cannot be had here: no Go, or no network to build it from. */
export class NoRunner extends Error {}

/**
 * The official conformance runner, from the cache or built with Go.
 *
 * @throws {NoRunner} where there is nothing to build it with, or from
 * @throws {Error} when Go cannot build it
 */
export async function conformanceRunner(log: (line: string) => void): Promise<string> {
  const cacheDir = cacheDirectory(process.env);
  const cached = cachedBinary(cacheDir, conformanceVersion, name);
  if (existsSync(cached)) return cached;
  const go = await findGo();
  if (go === undefined) throw new NoRunner("its runner is built with Go, and there is no Go in PATH or /usr/local/go");
  log(`building ${target} with ${go}, about a minute`);
  return await intoCache(cacheDir, conformanceVersion, async (folder) => {
    const { code, output } = await runCommand(go, ["install", target], {
      env: { GOBIN: folder, CGO_ENABLED: "0" },
      capture: true,
    });
    if (unreachable.test(output)) throw new NoRunner(`its source cannot be reached: ${output.trim()}`);
    if (code !== 0) {
      throw new Error(`Cannot build the conformance runner: ${go} install ${target} ended with ${code}: ${output}`);
    }
    return join(folder, name);
  }, name);
}

async function findGo(): Promise<string | undefined> {
  for (const command of goCommands) {
    if ((await runCommand(command, ["version"], { capture: true })).code === 0) return command;
  }
  return undefined;
}
