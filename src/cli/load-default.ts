import { access } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Code, ConnectError } from "@connectrpc/connect";

/** What a file's default export has to be. */
export interface DefaultKind<T> {
  /** Such as `"deployment"`. */
  readonly what: string;
  /** What makes one, such as `"defineDeployment"`. */
  readonly maker: string;
  readonly is: (value: unknown) => value is T;
}

/**
 * Imports a file and gives its default export.
 *
 * @throws {ConnectError} `not_found` when there is no such file, `invalid_argument` when it cannot be imported or exports something
 * else
 */
export async function loadDefault<T>(file: string, { what, maker, is }: DefaultKind<T>): Promise<{ path: string; value: T }> {
  const path = resolve(file);
  const failed = `Cannot load the ${what} "${file}"`;
  await access(path).catch(() => {
    throw new ConnectError(`${failed}: there is no such file`, Code.NotFound);
  });
  const module = await import(pathToFileURL(path).href).catch((cause) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConnectError(`${failed}: ${reason}`, Code.InvalidArgument, undefined, undefined, cause);
  }) as { default?: unknown };
  if (is(module.default)) return { path, value: module.default };
  const seen = module.default === undefined ? "no default export" : `a default export of type ${typeof module.default}`;
  throw new ConnectError(`${failed}: its default export must come from ${maker}(), got ${seen}`, Code.InvalidArgument);
}
