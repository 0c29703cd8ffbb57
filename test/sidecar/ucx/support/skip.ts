import { loadNative } from "../../../../src/native/mod.ts";
import { testUnless } from "../../../support/skip.ts";
import { libraries } from "./library.ts";

/** Why tests that need UCX do not run here; `undefined` when they do. */
export const noUcx: string | undefined = loadNative().unavailable ??
  (libraries.length === 0 ? "no UCX on this machine; npm run setup:ucx fetches one" : undefined);

/** A test that is skipped, with the reason, where the addon or UCX is not there. */
export function unlessNoUcx(name: string, run: () => void | Promise<void>, timeoutMs?: number): void {
  testUnless(noUcx, name, run, timeoutMs);
}
