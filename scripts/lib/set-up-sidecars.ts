import { loadNative } from "../../src/native/load.ts";
import { locateUcx } from "../../src/native/ucx-library.ts";
import { ensureNative } from "./native-build.ts";

/** What is there already, and how to get what is not; for tests. */
export interface SidecarParts {
  /** Builds the addon. Resolves with why it could not. */
  readonly build?: (log: (line: string) => void) => Promise<string | undefined>;
  /** Environment variables: `WAYBILL_NATIVE` and `UCX_LIBRARY` name what is to be used instead. Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Sees to the addon and to UCX, which sidecars use where they find them.
 *
 * @param log told of what takes time
 * @returns what is missing and what is used instead, a line each
 */
export async function setUpSidecars(log: (line: string) => void, parts: SidecarParts = {}): Promise<string[]> {
  const { env = process.env, build = ensureNative } = parts;
  const fault = env.WAYBILL_NATIVE ? loadNative({ env }).unavailable : await build(log);
  if (fault !== undefined) {
    return [
      `${
        fault.replace(/\. Everything that does without it works$/, "")
      }. Sidecars keep tensors on their heap, and all go over HTTP`,
    ];
  }
  const steps: string[] = [];
  const ucx = await locateUcx({
    obtain: true,
    env,
    log(line) {
      steps.push(line);
      if (/: (fetching|installing) /.test(line)) log(`Setting up: UCX, ${line}`);
    },
  });
  if (ucx !== undefined) return [];
  return [`Cannot find UCX: ${steps.join("; ")}. Tensors go from node to node over HTTP; npm run setup:ucx tries again`];
}
