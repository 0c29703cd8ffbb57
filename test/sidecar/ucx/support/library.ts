import { loadNative, locateUcx } from "../../../../src/native/mod.ts";
import { testUnless } from "../../../support/skip.ts";

const library = await locateUcx();

/** Where UCX lies, for tests that run only where there is one. */
export const libraries: readonly string[] = library === undefined ? [] : [library.path];

/** Why tests that need UCX do not run here; `undefined` when they do. */
export const noUcx: string | undefined = loadNative().unavailable ??
  (library === undefined ? "no UCX on this machine; npm run setup:ucx fetches one" : undefined);

/** A test that is skipped, with the reason, where the addon or UCX is not there. */
export function unlessNoUcx(name: string, run: () => void | Promise<void>, timeoutMs?: number): void {
  testUnless(noUcx, name, run, timeoutMs);
}
