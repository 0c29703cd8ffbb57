/**
 * Brokers that are on the machine already.
 *
 * @module
 */
import { constants } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { cachedBinary } from "../../../obtain/cache.ts";
import type { BrokerSource } from "../source.ts";
import { compareVersions } from "../version.ts";

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(() => true, () => false);
}

/** The binary that the user names. */
export const environmentSource: BrokerSource = {
  name: "NATS_SERVER_BIN",
  obtains: false,
  async find({ env }) {
    const path = env.NATS_SERVER_BIN;
    if (path === undefined || path === "") throw new Error("not set");
    if (!await isExecutable(path)) throw new Error(`names no executable file: "${path}"`);
    return [path];
  },
};

/** What a shell would run. */
export const pathSource: BrokerSource = {
  name: "PATH",
  obtains: false,
  async find({ env }) {
    const paths = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "").map((folder) =>
      join(folder, "nats-server")
    );
    const executable = await Promise.all(paths.map(isExecutable));
    const found = paths.filter((_, index) => executable[index]);
    if (found.length === 0) throw new Error("no nats-server there");
    return found;
  },
};

/** What an earlier run obtained. */
export const cacheSource: BrokerSource = {
  name: "cache",
  obtains: false,
  async find({ cacheDir }) {
    const versions = await readdir(join(cacheDir, "nats-server")).catch((): string[] => []);
    if (versions.length === 0) throw new Error(`nothing in ${cacheDir}`);
    return versions.sort((a, b) => compareVersions(b, a)).map((version) => cachedBinary(cacheDir, version));
  },
};
