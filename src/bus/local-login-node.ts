import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Login } from "./credentials.ts";
import type { LocalLogin } from "./options.ts";

/** What a running deployment tells the programs of its own user, in a file that nobody else can read. */
export interface LocalLogins {
  /** What `waybill ps` calls it. */
  readonly deployment: string;
  /** When it was started, as `Date.now()` tells time. */
  readonly startedAtMs: number;
  /** Where its broker listens. */
  readonly urls: readonly string[];
  /** For programs of this user that are told no credentials. */
  readonly roles: Readonly<Record<NonNullable<LocalLogin["role"]>, Login>>;
  /** The clients that the deployment names, with the operators that they may call. */
  readonly clients: Readonly<Record<string, Login & { readonly operators: readonly string[] }>>;
}

/** What such files' names end with. */
export const LOGINS_SUFFIX = ".logins";

/** Where this user's running deployments are listed: `$XDG_RUNTIME_DIR/waybill`, or `/tmp/waybill-<uid>`. */
export function stateFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, "waybill");
  return `/tmp/waybill-${process.getuid?.() ?? "user"}`;
}

/** Whether a folder belongs to this user, and is closed to all others. */
export function isOwnFolder(folder: string): boolean {
  const { mode, uid } = lstatSync(folder);
  return (mode & 0o170000) === 0o040000 && (mode & 0o077) === 0 && uid === (process.getuid?.() ?? uid);
}

/**
 * Looks for the brokers that deployments of this user run at some addresses.
 *
 * @returns who to be there at this moment, to be asked at every dial; `undefined` where the files may not be read (Deno)
 */
export async function findLocalLogins(
  addresses: readonly string[],
  { role = "client", folder }: LocalLogin,
): Promise<(() => Login | undefined) | undefined> {
  if (!await mayLook(folder)) return undefined;
  const ports = addresses.map(portOf);
  const place = folder ?? stateFolder();
  return () => readLogins(place).find(({ urls }) => urls.some((url) => ports.includes(portOf(url))))?.roles[role];
}

/** What the deployments of a folder tell, the newest first. */
export function readLogins(folder: string): LocalLogins[] {
  try {
    if (!isOwnFolder(folder)) return [];
    const files = readdirSync(folder).filter((name) => name.endsWith(LOGINS_SUFFIX));
    return files.flatMap((name) => readOne(join(folder, name))).sort((a, b) => b.startedAtMs - a.startedAtMs);
  } catch {
    // There is no such folder: nothing runs.
    return [];
  }
}

function readOne(path: string): LocalLogins[] {
  try {
    return [JSON.parse(readFileSync(path, "utf8")) as LocalLogins];
  } catch {
    // It has just been removed.
    return [];
  }
}

/** The port of a URL that names one. */
function portOf(url: string): string | undefined {
  return /:(\d+)(?:\/.*)?$/.exec(url)?.[1];
}

/** What is used of Deno. */
interface DenoLike {
  readonly permissions: { query(descriptor: Permission): Promise<{ readonly state: string }> };
}

/** What is asked for, as Deno's own types have it. */
type Permission =
  | { readonly name: "env"; readonly variable: string }
  | { readonly name: "sys"; readonly kind: "uid" }
  | { readonly name: "read"; readonly path: string };

/** On Deno, whether it can be looked without asking the user for a permission. */
async function mayLook(folder: string | undefined): Promise<boolean> {
  const { Deno: deno } = globalThis as { Deno?: DenoLike };
  if (deno === undefined) return true;
  const granted = async (permission: Permission) => (await deno.permissions.query(permission)).state === "granted";
  if (!await granted({ name: "env", variable: "XDG_RUNTIME_DIR" }) || !await granted({ name: "sys", kind: "uid" })) {
    return false;
  }
  // Only now: the default folder is known by these two.
  return await granted({ name: "read", path: folder ?? stateFolder() });
}
