import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { Code } from "@connectrpc/connect";
import { fault } from "../../rpc/error.ts";

const template = new URL("./template/", import.meta.url);

/** What a project is called in `package.json`: npm takes no capitals and few signs. */
export function projectName(folder: string): string {
  return basename(folder).toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "") || "my-project";
}

/**
 * Writes a small working project.
 *
 * @param dependency what `package.json` says of `waybill`: a version, or `file:` and a path
 * @returns the files that it wrote
 * @throws {ConnectError} `failed_precondition` when the folder has something in it
 */
export async function writeProject(folder: string, dependency: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const [found] = (await readdir(folder)).filter((name) => name !== ".git");
  if (found !== undefined) {
    throw fault(`Cannot make a project in "${folder}": the folder must be empty, got "${found}"`, Code.FailedPrecondition);
  }
  const name = projectName(folder);
  const written: string[] = [];
  for (const source of (await readdir(template)).sort()) {
    const text = await readFile(new URL(source, template), "utf8");
    // Underscored, so that tools do not take them for this repository's own.
    const target = source === "_gitignore" ? ".gitignore" : source.replace(/^_/, "");
    const named = text.replaceAll("my-project", name).replace(`"waybill": "0.0.0"`, `"waybill": ${JSON.stringify(dependency)}`);
    await writeFile(join(folder, target), named);
    written.push(target);
  }
  return written;
}
