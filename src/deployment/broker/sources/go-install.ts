import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { intoCache } from "../../../obtain/cache.ts";
import type { BrokerSource } from "../source.ts";
import { brokerVersion } from "../version.ts";

const run = promisify(execFile);
const target = `github.com/nats-io/nats-server/v2@v${brokerVersion}`;

/** Builds the official source, which Go checks against its checksum database. */
export const goInstallSource: BrokerSource = {
  name: "go install",
  obtains: true,
  async find({ cacheDir, env, log, signal }) {
    await run("go", ["version"], { env: { ...env } }).catch(() => {
      throw new Error("Go is not in PATH");
    });
    log(`go install: building ${target}, about a minute`);
    const path = await intoCache(cacheDir, brokerVersion, async (folder) => {
      const options = {
        env: { ...env, GOBIN: folder, CGO_ENABLED: "0" },
        signal,
        timeout: 600_000,
        maxBuffer: 16 * 1024 * 1024,
      };
      await run("go", ["install", target], options);
      return join(folder, "nats-server");
    });
    return [path];
  },
};
