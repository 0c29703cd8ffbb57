import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDirectory, folderIntoCache } from "../../../src/obtain/cache.ts";

const run = promisify(execFile);

/** Pinned, with what of it decides whether it works. */
const PACKAGES = [
  "tritonclient==2.73.0",
  "numpy==2.4.6",
  "grpcio==1.85.1",
  "protobuf==6.33.6",
  "geventhttpclient==2.6.1",
  "aiohttp==3.14.5",
  "python-rapidjson==1.25",
  // Imported by its gRPC client, and not among what it says that it needs.
  "packaging==26.0",
];
const FOLDER = `tritonclient-${createHash("sha256").update(PACKAGES.join()).digest("hex").slice(0, 12)}`;

/** A Python that has NVIDIA's clients, kept in the cache; the reason where there can be none. */
export async function tritonClientPython(): Promise<{ readonly python: string } | { readonly missing: string }> {
  const packages = join(cacheDirectory(process.env), FOLDER);
  const python = process.env.PYTHON ?? "python3";
  try {
    await run(python, ["--version"]);
  } catch {
    return { missing: "there is no python3" };
  }
  const has = () => access(join(packages, "complete")).then(() => true, () => false);
  if (!await has()) {
    try {
      await folderIntoCache(packages, async (folder) => {
        const options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--only-binary=:all:", "--target", folder];
        await run(python, ["-m", "pip", "install", ...options, ...PACKAGES], { timeout: 240_000 });
        await writeFile(join(folder, "complete"), "");
      });
    } catch (error) {
      return { missing: `pip cannot install tritonclient: ${String((error as Error).message).split("\n")[0]}` };
    }
  }
  return { python };
}

/** Where its packages are, for `PYTHONPATH`. */
export function tritonClientPath(): string {
  return join(cacheDirectory(process.env), FOLDER);
}
