import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { slimNats } from "./slim-nats.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** How to bundle for runtimes that have web APIs and nothing else. */
export interface WebBundleOptions {
  /** Which runtime: it decides what packages give it. Default `"browser"`. */
  for?: "browser" | "workerd";
  /** Default `true`. */
  minify?: boolean;
}

/** A bundle. */
export interface WebBundle {
  /** One ES module. */
  readonly code: string;
  /** The files and packages that it holds. */
  readonly inputs: readonly string[];
  /** What it imports all the same. */
  readonly imports: readonly string[];
}

/** Does from source what `browser` in package.json has bundlers do with dist/, which need not be there. */
const browserFiles: Plugin = {
  name: "browser",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^nats\.ws$/ }, () => ({ path: "nats.ws", namespace: "slim" }));
    onLoad({ filter: /.*/, namespace: "slim" }, async () => ({ contents: await slimNats(), loader: "js" }));
    onResolve({ filter: /\/serve-tensors\.ts$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.replace(/\.ts$/, "-browser.ts")),
    }));
  },
};

/**
 * Bundles a file of this repository from source, as a user's bundler does with the published package. Anything of Node in it is an error.
 *
 * @param entry path from the repository's root
 */
export async function webBundle(entry: string, options: WebBundleOptions = {}): Promise<WebBundle> {
  const { for: runtime = "browser", minify = true } = options;
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    absWorkingDir: root,
    bundle: true,
    minify,
    format: "esm",
    platform: "browser",
    target: "es2022",
    conditions: runtime === "workerd" ? ["workerd", "worker", "browser"] : ["browser"],
    external: runtime === "workerd" ? ["cloudflare:*"] : [],
    plugins: [browserFiles],
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const [output] = Object.values(metafile.outputs);
  return {
    code: outputFiles[0]?.text ?? "",
    inputs: Object.keys(output?.inputs ?? {}),
    imports: (output?.imports ?? []).map(({ path }) => path),
  };
}
