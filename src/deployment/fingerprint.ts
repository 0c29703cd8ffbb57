import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/** Where the search ends: a program of more files is not a worker's own code any more. */
const mostFiles = 2_000;

// Static and dynamic imports of relative paths; what a comment imports only makes the fingerprint wider.
const imports = /(?:\bfrom|\bimport|\bimport\s*\()\s*["'](\.{1,2}\/[^"'\n]+)["']/g;

/**
 * Tells one state of a program from another: a digest of its file and of all that it imports by relative paths. Packages are left out: a
 * new one comes with a new lock file and an installation, which no running program should be guessed to want.
 */
export async function fingerprintOf(file: string): Promise<string> {
  const digest = createHash("sha256");
  const seen = new Set([file]);
  for (const path of seen) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    digest.update(`${path}\0${text ?? "missing"}\0`);
    for (const [, target = ""] of text?.matchAll(imports) ?? []) {
      if (seen.size < mostFiles) seen.add(resolve(dirname(path), target));
    }
  }
  return digest.digest("base64url");
}
