import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { intoCache } from "../../../obtain/cache.ts";
import type { BrokerSource } from "../source.ts";
import { compareVersions, minBrokerVersion } from "../version.ts";

const run = promisify(execFile);

/** Debian's package, where it is new enough. Unpacked and not installed: installing would start a broker on the default port. */
export const debianSource: BrokerSource = {
  name: "Debian package",
  obtains: true,
  async find({ cacheDir, env, log, signal }) {
    if (process.getuid?.() !== 0) throw new Error("not used, because this is not root");
    const options = { env: { ...env, LC_ALL: "C" }, signal, timeout: 120_000 };
    const { stdout } = await run("apt-cache", ["policy", "nats-server"], options).catch(() => {
      throw new Error("there is no apt-cache here");
    });
    const version = /Candidate: (?:\d+:)?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
    if (version === undefined) throw new Error("apt knows no nats-server, perhaps before an apt-get update");
    if (compareVersions(version, minBrokerVersion) < 0) {
      throw new Error(`not used, because it is ${version} and ${minBrokerVersion} or newer is needed`);
    }
    log(`Debian package: fetching nats-server ${version} with apt-get`);
    const path = await intoCache(cacheDir, version, async (folder) => {
      await run("apt-get", ["download", "nats-server"], { ...options, cwd: folder });
      const [archive = ""] = (await readdir(folder)).filter((name) => name.endsWith(".deb"));
      await run("dpkg-deb", ["--extract", join(folder, archive), folder], options);
      const { stdout: found } = await run("find", [folder, "-type", "f", "-name", "nats-server", "-perm", "-u+x"], options);
      return found.trim().split("\n")[0] ?? "";
    });
    return [path];
  },
};
