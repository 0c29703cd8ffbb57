import { access, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { version } from "../version.ts";

/** Where the package is that runs now. */
export interface OwnPackage {
  /** Its folder. */
  readonly folder: string;
  /** Whether it is a clone of the repository, whose `dist/` has to be made. */
  readonly isClone: boolean;
}

/** Finds the package's folder: the nearest one above with a `package.json`. */
export async function ownPackage(): Promise<OwnPackage> {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!await exists(join(folder, "package.json")) && folder !== dirname(folder)) folder = dirname(folder);
  return { folder, isClone: await exists(join(folder, "scripts/build.ts")) };
}

/** What the `package.json` of a project has to say to get the package that runs now. */
export async function ownDependency({ folder, isClone }: OwnPackage, project: string): Promise<string> {
  if (isClone) return `file:${relative(project, folder)}`;
  // npm notes where it got a package from; one that came as a tarball is in no registry.
  const tree = dirname(dirname(folder));
  const text = await readFile(join(tree, "node_modules/.package-lock.json"), "utf8").catch(() => "{}");
  const { packages = {} } = JSON.parse(text) as { packages?: Record<string, { resolved?: string }> };
  const resolved = packages["node_modules/waybill"]?.resolved;
  return resolved?.startsWith("file:") ? `file:${resolve(tree, resolved.slice("file:".length))}` : version;
}

/** Whether there is a file or folder. */
export function exists(path: string): Promise<boolean> {
  return access(path).then(() => true, () => false);
}
