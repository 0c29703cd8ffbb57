/**
 * Finds the addon. It is opened once per path and process by the runtime itself, so that asking again costs little.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { NativeAddon } from "./addon.ts";

/** What became of looking for the addon. */
export type NativeLoad =
  | { readonly addon: NativeAddon; readonly path: string; readonly unavailable?: undefined }
  | { readonly addon?: undefined; readonly unavailable: string };

/** How to look for the addon. */
export interface LoadNativeOptions {
  /** Environment variables; `WAYBILL_NATIVE` names the file to use. Default: this process's. */
  env?: Readonly<Record<string, string | undefined>>;
}

/** What the prebuilt package for this platform is called. */
export function nativePackage(platform: string = process.platform, arch: string = process.arch): string {
  return `waybill-native-${platform}-${arch}`;
}

/** Where `npm run native` leaves what it built, seen from the sources and from dist/. */
function builtPaths(): string[] {
  return ["../../native/build/waybill.node", "../../../native/build/waybill.node"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)));
}

/** The files to try, the best first. Where one is named, it alone. */
function candidates(require: NodeJS.Require, named: string | undefined): string[] {
  if (named !== undefined && named !== "") return [named];
  const paths = builtPaths().filter((path) => existsSync(path));
  try {
    paths.unshift(require.resolve(nativePackage()));
  } catch {
    // Not installed, which is usual in a checkout.
  }
  return paths;
}

/**
 * Loads the addon: the file that `WAYBILL_NATIVE` names, else the prebuilt package of this platform, else what `npm run native` built.
 * Never throws: where there is none, `unavailable` says why and what to do.
 */
export function loadNative({ env = process.env }: LoadNativeOptions = {}): NativeLoad {
  const require = createRequire(import.meta.url);
  const faults: string[] = [];
  for (const path of candidates(require, env.WAYBILL_NATIVE)) {
    try {
      const addon = require(path) as NativeAddon;
      if (typeof addon.mapSegment === "function") return { addon, path };
      faults.push(`"${path}" is another addon`);
    } catch (error) {
      faults.push(error instanceof Error ? error.message.split("\n")[0]! : String(error));
    }
  }
  if (faults.length > 0) return { unavailable: `Cannot load the native addon: ${faults.join("; ")}` };
  const remedy = `install ${nativePackage()}, build it with npm run native, or name the file in WAYBILL_NATIVE`;
  return { unavailable: `Cannot find the native addon: ${remedy}` };
}
