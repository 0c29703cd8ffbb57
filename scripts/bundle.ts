/**
 * Bundles the client into one file for browsers, Workers, and whoever wants a single file.
 *
 *     npm run bundle -- [FILE]
 *
 * Without FILE it says how large the bundle is, and of what.
 *
 * @module
 */
import { writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { webBundle } from "./lib/web-bundle.ts";

/** What a browser has to load. */
export interface BundleSize {
  /** `mod.ts` with all that it needs, minified. */
  readonly minifiedBytes: number;
  /** The same, compressed as web servers do. */
  readonly gzipBytes: number;
}

/** Bundles `mod.ts` for browsers and measures it. */
export async function measureBundle(): Promise<BundleSize> {
  const { code } = await webBundle("mod.ts");
  return { minifiedBytes: Buffer.byteLength(code), gzipBytes: gzipSync(code, { level: 9 }).length };
}

if (import.meta.main) {
  const { code, imports } = await webBundle("mod.ts");
  const [file] = process.argv.slice(2);
  if (imports.length > 0) throw new Error(`Cannot bundle for browsers: the bundle imports ${imports.join(", ")}`);
  if (file !== undefined) await writeFile(file, code);
  const { minifiedBytes, gzipBytes } = await measureBundle();
  const kb = (bytes: number) => `${(bytes / 1024).toFixed(1)} KB`;
  console.log(`${file ?? "mod.ts"}: ${kb(minifiedBytes)} minified, ${kb(gzipBytes)} gzipped`);
}
