import { loadNative, type NativeAddon } from "../../../src/native/mod.ts";
import { testUnless } from "../../support/skip.ts";

/** The addon, for tests that run only where there is one. */
export function native(): NativeAddon {
  const { addon, unavailable } = loadNative();
  if (addon === undefined) throw new Error(unavailable);
  return addon;
}

/** A test that is skipped, with the reason, where the addon is not there. */
export function unlessNative(name: string, run: () => void | Promise<void>, timeoutMs?: number): void {
  testUnless(loadNative().unavailable, name, run, timeoutMs);
}
