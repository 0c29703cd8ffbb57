import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { slimNats } from "./slim-nats.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** How to bundle for runtimes that have web APIs and nothing else. */
export interface WebBundleOptions {
  /** Which runtime: it decides what packages give it. Default `"browser"`. */
  for?: "browser" | "workerd";
  /** Default `true`. */
  minify?: boolean;
}

/** A bundle in parts: what is loaded at once, and what only when it is needed. */
export interface SplitBundle {
  /** The entry and all that it imports. */
  readonly atOnce: readonly string[];
  /** The rest. */
  readonly onDemand: readonly string[];
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

/** Source files and what stands in for them, as `browser` in package.json says of what is built of them. */
async function standIns(): Promise<Map<string, string>> {
  const { browser } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    browser: Record<string, string | false>;
  };
  const source = (built: string) => join(root, built.replace(/^\.\/dist\/(.*)\.js$/, "$1.ts"));
  const files = Object.entries(browser).filter(([path]) => path.startsWith("./"));
  return new Map(files.map(([path, other]) => [source(path), source(String(other))]));
}

/** Does from source what `browser` in package.json has bundlers do with dist/, which need not be there. */
const browserFiles: Plugin = {
  name: "browser",
  async setup({ onResolve, onLoad }) {
    const others = await standIns();
    onResolve({ filter: /^nats\.ws$/ }, () => ({ path: "nats.ws", namespace: "slim" }));
    onLoad({ filter: /.*/, namespace: "slim" }, async () => ({ contents: await slimNats(), loader: "js" }));
    onResolve({ filter: /\.ts$/ }, ({ path, resolveDir }) => {
      const other = others.get(join(resolveDir, path));
      return other === undefined ? undefined : { path: other };
    });
  },
};

/**
 * Bundles a file of this repository from source, as a user's bundler does with the published package. Anything of Node in it is an error.
 *
 * @param entry path from the repository's root
 */
export async function webBundle(entry: string, options: WebBundleOptions = {}): Promise<WebBundle> {
  const { outputFiles, metafile } = await build(settings(entry, options));
  const [output] = Object.values(metafile.outputs);
  return {
    code: outputFiles[0]?.text ?? "",
    inputs: Object.keys(output?.inputs ?? {}),
    imports: (output?.imports ?? []).map(({ path }) => path),
  };
}

/** The same in parts, as bundlers make them that split where something is imported on demand. */
export async function splitWebBundle(entry: string, options: WebBundleOptions = {}): Promise<SplitBundle> {
  const { outputFiles, metafile } = await build({ ...settings(entry, options), splitting: true, outdir: "out" });
  const outputs = new Map(Object.entries(metafile.outputs));
  const first = [...outputs].find(([, { entryPoint }]) => entryPoint === entry)?.[0];
  const atOnce = new Set(first === undefined ? [] : [first]);
  for (const path of atOnce) {
    for (const { path: imported, kind } of outputs.get(path)?.imports ?? []) {
      if (kind === "import-statement") atOnce.add(imported);
    }
  }
  const text = (path: string) => outputFiles.find((file) => file.path === join(root, path))?.text ?? "";
  const onDemand = [...outputs.keys()].filter((path) => !atOnce.has(path));
  return { atOnce: [...atOnce].map(text), onDemand: onDemand.map(text) };
}

function settings(entry: string, options: WebBundleOptions) {
  const { for: runtime = "browser", minify = true } = options;
  return {
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
  } as const satisfies BuildOptions;
}
