import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { unzipSync } from "fflate";
import { cacheDirectory, type Environment, folderIntoCache } from "../obtain/cache.ts";
import { fetchWheel, type Wheel, type WheelContext } from "../obtain/pypi-wheel.ts";
import { ucxLibraryName } from "./ucx-sources.ts";

/** The version of the wheel, which the addon is built against as well. */
export const ucxWheelVersion = "1.22.0";

const wheels: Readonly<Record<string, Pick<Wheel, "tag" | "sha256">>> = {
  "linux-x64": {
    tag: "manylinux_2_24_x86_64.manylinux_2_28_x86_64",
    sha256: "5cbbef0c140a0a158ae3486089af659b38822b2234cd3dc90ba40a5e6553402a",
  },
  "linux-arm64": {
    tag: "manylinux_2_24_aarch64.manylinux_2_28_aarch64",
    sha256: "269aa884c3f83ced2ffb5f7704fb3a2da56d9402431222ddbe2901c1ae4fb227",
  },
};

function wheelFolder(env: Environment): string {
  return join(cacheDirectory(env), "ucx", ucxWheelVersion);
}

/** Where the cache has UCX, once it was fetched. The tools `ucx_info` and `ucx_perftest` are in `bin` beside its folder. */
export function cachedUcx(env: Environment): string {
  return join(wheelFolder(env), "libucx/lib", ucxLibraryName);
}

/** What is kept of the wheel, a sixth of it: libraries by the names that they look each other up by, settings, tools. */
function isWanted(name: string): boolean {
  return /^libucx\/lib\/(ucx\/)?lib[^/]+\.so\.0$/.test(name) || /^libucx\/(etc\/.*[^/]|bin\/ucx_(info|perftest))$/.test(name) ||
    /\.dist-info\/licenses\/[^/]+$/.test(name) || /^libucx_cu12\.libs\/[^/]+$/.test(name);
}

/**
 * Fetches the PyPI wheel `libucx-cu12`, pinned by hash, and unpacks it into the cache.
 *
 * @returns the path of its library
 * @throws {Error} when it cannot be had
 */
export async function obtainUcxWheel(context: WheelContext): Promise<string> {
  const wheel = wheels[`${process.platform}-${process.arch}`];
  if (wheel === undefined) throw new Error(`no hash is pinned for ${process.platform} ${process.arch}`);
  context.log(`PyPI wheel: fetching libucx-cu12 ${ucxWheelVersion}, 43 MB, pinned by hash`);
  await folderIntoCache(wheelFolder(context.env), async (folder) => {
    const parent = dirname(folder);
    const bytes = await fetchWheel({ name: "libucx-cu12", version: ucxWheelVersion, ...wheel }, parent, context);
    for (const [name, content] of Object.entries(unzipSync(bytes, { filter: ({ name }) => isWanted(name) }))) {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      if (name.startsWith("libucx/bin/")) await chmod(path, 0o755);
    }
  });
  return cachedUcx(context.env);
}
