import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { intoCache } from "../../../obtain/cache.ts";
import { download, requireSha256 } from "../../../obtain/download.ts";
import type { BrokerSource } from "../source.ts";

const run = promisify(execFile);

/** The newest release whose checksums are known from a second place, the Dockerfiles of NATS's own images. */
const version = "2.15.0";
const host = "github.com";

/** How long to wait for the host before taking the machine for offline. */
const connectTimeoutMs = 2_000;

/** SHA-256 of `nats-server-v2.15.0-<platform>.tar.gz`. */
const checksums: Readonly<Record<string, string>> = {
  "linux-amd64": "5d2c51caca950333aba84911df7d377f826f3a59ec36061c6539105084f65c92",
  "linux-arm64": "cdc208f5a3f42963a52b6ab06ef65626bb870315dc936e26ba571780c6351112",
  "darwin-amd64": "5bd8b59ca5bf93fab3da2c5843cf564cd6e2e291e22ae3b861746e7ebe259b95",
  "darwin-arm64": "e1c4e22d70bd44abfa0bcb3c16f7cf0c66f648c2e728c58924e8a1ce88913cc8",
};

/** Whether the host takes connections: `fetch` alone would let an offline machine wait for many seconds. */
function reach(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: 443 });
    const end = (error?: Error) => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.setTimeout(connectTimeoutMs, () => end(new Error(`${host} does not answer within ${connectTimeoutMs} ms`)));
    socket.once("connect", () => end());
    socket.once("error", (error) => end(new Error(`${host} cannot be reached: ${error.message}`)));
    signal?.addEventListener("abort", () => end(new Error("aborted")), { once: true });
  });
}

/** The official build of a release, with its checksum pinned here. */
export const releaseSource: BrokerSource = {
  name: "release download",
  obtains: true,
  async find({ cacheDir, log, signal }) {
    const platform = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
    const checksum = checksums[platform];
    if (checksum === undefined) throw new Error(`no checksum is pinned for ${platform}`);
    await reach(signal);
    const name = `nats-server-v${version}-${platform}`;
    log(`release download: fetching ${name}.tar.gz from ${host}`);
    const bytes = await download(`https://${host}/nats-io/nats-server/releases/download/v${version}/${name}.tar.gz`, signal);
    requireSha256(`${name}.tar.gz`, bytes, checksum);
    const path = await intoCache(cacheDir, version, async (folder) => {
      const archive = join(folder, "archive.tar.gz");
      await writeFile(archive, bytes);
      await run("tar", ["-xzf", archive, "-C", folder, `${name}/nats-server`]);
      return join(folder, name, "nats-server");
    });
    return [path];
  },
};
