import { globSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { parseSync } from "oxc-parser";

/** Something that a source file refers to, with the place. */
export interface Reference {
  /** What it refers to: a path from the root for files of ours, else the specifier. */
  readonly target: string;
  /** Whether only types come from there. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** What the rules need to know of a source file. */
export interface Source {
  /** Path from the root. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Reference[];
  /** Globals of one runtime that it uses. */
  readonly globals: readonly Reference[];
  /** Lines that say `any`. */
  readonly anys: readonly number[];
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

/** Every node below one, with the key that its parent holds it by. */
function* walk(node: Node, parent?: Node, key = ""): Generator<{ node: Node; parent: Node | undefined; key: string }> {
  yield { node, parent, key };
  for (const [name, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield* walk(child, node, name);
  }
}

function literal(node: unknown): string | undefined {
  return isNode(node) && typeof node.value === "string" ? node.value : undefined;
}

/** What an import of any form asks for, `new URL("./thread.ts", import.meta.url)` included. */
function specifier(node: Node): string | undefined {
  if (node.type === "NewExpression") {
    const [url, base] = Array.isArray(node.arguments) ? node.arguments : [];
    const isUrl = isNode(node.callee) && node.callee.name === "URL" && isNode(base) && base.type === "MemberExpression";
    return isUrl ? literal(url) : undefined;
  }
  const imports = ["ImportDeclaration", "ExportNamedDeclaration", "ExportAllDeclaration", "ImportExpression", "TSImportType"];
  return imports.includes(node.type) ? literal(node.source) : undefined;
}

function isTypeOnly(node: Node): boolean {
  if (node.type === "TSImportType" || node.importKind === "type" || node.exportKind === "type") return true;
  const names = Array.isArray(node.specifiers) ? node.specifiers : [];
  return names.length > 0 && names.every((name) => name.importKind === "type" || name.exportKind === "type");
}

const runtimeGlobals = new Set(["Bun", "Deno", "process", "Buffer"]);

/** The name of a runtime's global, where the node is a use of it and not a key that happens to be called so. */
function usedGlobal(node: Node, parent: Node | undefined, key: string): string | undefined {
  if (node.type !== "Identifier" || typeof node.name !== "string" || !runtimeGlobals.has(node.name)) return undefined;
  if (key === "property" && parent?.computed !== true) {
    return isNode(parent?.object) && parent.object.name === "globalThis" ? node.name : undefined;
  }
  return key === "key" && parent?.computed !== true && parent?.shorthand !== true ? undefined : node.name;
}

/** Reads what the rules need out of a file's text. */
export function parseSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text);
  if (errors[0] !== undefined) throw new Error(`Cannot parse ${path}: ${errors[0].message}`);
  const imports: Reference[] = [];
  const globals: Reference[] = [];
  const anys: number[] = [];
  for (const { node, parent, key } of walk(program as unknown as Node)) {
    const line = () => text.slice(0, node.start).split("\n").length;
    const to = specifier(node);
    if (to !== undefined) {
      const target = to.startsWith(".") ? posix.join(posix.dirname(path), to) : to;
      imports.push({ target, typeOnly: isTypeOnly(node), line: line() });
    }
    const name = usedGlobal(node, parent, key);
    if (name !== undefined) globals.push({ target: name, typeOnly: false, line: line() });
    if (node.type === "TSAnyKeyword") anys.push(line());
  }
  return { path, text, imports, globals, anys };
}

/** Parses the files that a pattern finds. */
export function readSources(...patterns: string[]): Source[] {
  return globSync(patterns).sort().map((path) => parseSource(path, readFileSync(path, "utf8")));
}
