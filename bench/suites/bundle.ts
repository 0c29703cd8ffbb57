import { type Case, makeCase } from "../lib/report.ts";
import { measureBundle } from "../../scripts/bundle.ts";

const LIMIT_KB = 110;

/** What a browser has to load: `mod.ts` with all that it needs, minified. */
export async function bundle(): Promise<Case[]> {
  const { minifiedBytes, gzipBytes } = await measureBundle();
  return [
    makeCase("client for browsers, minified", minifiedBytes / 1024, "KB"),
    makeCase("client for browsers, minified and gzipped", gzipBytes / 1024, "KB", undefined, { on: "value", atMost: LIMIT_KB }),
  ];
}
