import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A block of code in a Markdown file. */
export interface CodeBlock {
  /** What stands behind the fence, such as `ts`. */
  readonly language: string;
  /** The file that its first line names in a comment, such as `// worker.ts`; `undefined` for one that is no whole program. */
  readonly file: string | undefined;
  readonly code: string;
  /** Line of the fence, from 1. */
  readonly line: number;
}

/** The blocks of a Markdown file, path from the repository's root. */
export async function codeBlocks(path: string): Promise<CodeBlock[]> {
  const text = await readFile(join(root, path), "utf8");
  return [...text.matchAll(/^```(\S*)\n([^]*?)^```$/gm)].map(({ 1: language = "", 2: code = "", index }) => ({
    language,
    file: /^(?:\/\/|#) (\S+\.\w+)\n/.exec(code)?.[1],
    code,
    line: text.slice(0, index).split("\n").length,
  }));
}

/** The files behind the names that users import. */
export const entryPoints: Readonly<Record<string, string>> = {
  "waybill": "mod.ts",
  "waybill/kserve": "src/kserve/mod.ts",
  "waybill/worker": "src/worker/mod.ts",
  "waybill/deployment": "src/deployment/mod.ts",
  "waybill/sidecar": "src/sidecar/mod.ts",
  "waybill/tracing": "src/telemetry/tracing.ts",
  "waybill/metrics": "src/telemetry/metrics/client-metrics.ts",
  "waybill/testing": "src/testing/mod.ts",
};

/** Code as a user writes it, made to import this repository's sources. */
export function importSources(code: string): string {
  return code.replace(/(from |import\()"(waybill(?:\/\w+)?)"/g, (whole, keyword: string, name: string) => {
    const path = entryPoints[name];
    return path === undefined ? whole : `${keyword}"${new URL(`../../${path}`, import.meta.url).href}"`;
  });
}

/** The programs of a Markdown file in a folder of their own. */
export interface DocPrograms extends AsyncDisposable {
  /** The folder. */
  readonly folder: string;
  /** Path of a program from the repository's root, as `startProgram` takes it. */
  path(file: string): string;
}

/**
 * Writes the programs of a Markdown file.
 *
 * @param replaced what a reader would have to adapt: texts and what the test has in their place
 */
export async function writePrograms(page: string, replaced: Readonly<Record<string, string>> = {}): Promise<DocPrograms> {
  // Within the repository, whose packages they import.
  const folder = await mkdtemp(join(root, ".docs-"));
  for (const { file, code } of await codeBlocks(page)) {
    if (file === undefined) continue;
    const adapted = Object.entries(replaced).reduce((text, [from, to]) => text.replaceAll(from, to), importSources(code));
    await writeFile(join(folder, file), adapted);
  }
  return {
    folder,
    path: (file) => join(folder.slice(root.length), file),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
