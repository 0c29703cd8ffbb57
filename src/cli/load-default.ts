import { access } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Code, ConnectError } from "@connectrpc/connect";
import { importFailure } from "./import-failure.ts";

/** What a file's default export has to be. */
export interface DefaultKind<T> {
  /** Such as `"deployment"`. */
  readonly what: string;
  /** What makes one, such as `"defineDeployment"`. */
  readonly maker: string;
  readonly is: (value: unknown) => value is T;
}

/** An imported file. */
export interface LoadedModule {
  /** Its absolute path. */
  readonly path: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

/**
 * Imports a file.
 *
 * @param what what it is wanted for, such as `"deployment"`
 * @throws {ConnectError} `not_found` when there is no such file, `invalid_argument` when it cannot be imported
 */
export async function loadModule(file: string, what: string): Promise<LoadedModule> {
  const path = resolve(file);
  const failed = `Cannot load the ${what} "${file}"`;
  await access(path).catch(() => {
    throw new ConnectError(`${failed}: there is no such file`, Code.NotFound);
  });
  const exports = await import(pathToFileURL(path).href).catch((cause) => {
    throw new ConnectError(`${failed}: ${importFailure(cause)}`, Code.InvalidArgument, undefined, undefined, cause);
  }) as Record<string, unknown>;
  return { path, exports };
}

/**
 * Imports a file and gives its default export.
 *
 * @throws {ConnectError} as {@linkcode loadModule}, and `invalid_argument` when it exports something else
 */
export async function loadDefault<T>(file: string, { what, maker, is }: DefaultKind<T>): Promise<{ path: string; value: T }> {
  const { path, exports } = await loadModule(file, what);
  if (is(exports.default)) return { path, value: exports.default };
  const seen = exports.default === undefined ? "no default export" : `a default export of type ${typeof exports.default}`;
  throw new ConnectError(
    `Cannot load the ${what} "${file}": its default export must come from ${maker}(), got ${seen}`,
    Code.InvalidArgument,
  );
}
