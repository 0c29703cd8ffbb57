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
import { splitWebBundle, webBundle } from "./lib/web-bundle.ts";

/** What a browser has to load. */
export interface BundleSize {
  /** `mod.ts` with all that it needs, minified. */
  readonly minifiedBytes: number;
  /** The same, compressed as web servers do. */
  readonly gzipBytes: number;
  /** What is loaded beside it when a client connects straight to a node, compressed. */
  readonly onDemandGzipBytes: number;
}

/** Bundles `mod.ts` for browsers, in parts, and measures them. */
export async function measureBundle(): Promise<BundleSize> {
  const { atOnce, onDemand } = await splitWebBundle("mod.ts");
  const sum = (parts: readonly string[], size: (part: string) => number) => parts.reduce((all, part) => all + size(part), 0);
  const gzipped = (part: string) => gzipSync(part, { level: 9 }).length;
  return {
    minifiedBytes: sum(atOnce, Buffer.byteLength),
    gzipBytes: sum(atOnce, gzipped),
    onDemandGzipBytes: sum(onDemand, gzipped),
  };
}

if (import.meta.main) {
  const { code, imports } = await webBundle("mod.ts");
  const [file] = process.argv.slice(2);
  if (imports.length > 0) throw new Error(`Cannot bundle for browsers: the bundle imports ${imports.join(", ")}`);
  if (file !== undefined) await writeFile(file, code);
  const { minifiedBytes, gzipBytes, onDemandGzipBytes } = await measureBundle();
  const kb = (bytes: number) => `${(bytes / 1024).toFixed(1)} KB`;
  console.log(
    `${file ?? "mod.ts"} in one file: ${kb(code.length)} minified, ${kb(gzipSync(code, { level: 9 }).length)} gzipped`,
  );
  console.log(
    `In parts: ${kb(minifiedBytes)} minified, ${kb(gzipBytes)} gzipped, and ${
      kb(onDemandGzipBytes)
    } gzipped for clients of nodes`,
  );
}
