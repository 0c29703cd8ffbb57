import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { parseSync } from "oxc-parser";

/** What src/bus uses of `nats.ws`. */
const wanted = ["connect", "credsAuthenticator", "jwtAuthenticator", "nkeyAuthenticator"];
/** Methods of its connection that lead to what src/bus does not use: JetStream, services, requests. */
const unused = new Set(["jetstream", "jetstreamManager", "services", "request", "requestMany"]);
const banner = `/*!
 * A part of nats.ws, https://github.com/nats-io/nats.ws, Copyright The NATS Authors, Apache-2.0.
 * Changed: without JetStream, key-value and object stores, services, requests, and all of NaCl but signing.
 */`;

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function child(node: Node | undefined, key: string): Node | undefined {
  const value = node?.[key];
  return typeof value === "object" && value !== null && "type" in value ? value as Node : undefined;
}

function children(node: Node | undefined, key: string): Node[] {
  const value = node?.[key];
  return Array.isArray(value) ? value as Node[] : [];
}

function edited(source: string, edits: readonly Edit[]): string {
  const backwards = edits.toSorted((a, b) => b.start - a.start);
  return backwards.reduce((text, { start, end, text: to }) => text.slice(0, start) + to + text.slice(end), source);
}

/** `(function(Name) { … })(Name || (Name = {}))`, which is an enum. */
function enumOf(statement: Node): { name: string; fn: Node } | undefined {
  const call = child(statement, "expression");
  const [argument] = children(call, "arguments");
  const fn = child(call, "callee");
  const inner = fn?.type === "ParenthesizedExpression" ? child(fn, "expression") : fn;
  const name = child(argument, "left")?.name;
  if (inner?.type !== "FunctionExpression" || argument?.type !== "LogicalExpression" || typeof name !== "string") {
    return undefined;
  }
  return name === "globalThis" ? undefined : { name, fn: inner };
}

/** The connection's methods that go, as edits of their bodies. */
function withoutMethods(program: Node): Edit[] {
  const connection = children(program, "body").find((node) =>
    node.type === "ClassDeclaration" && child(node, "id")?.name === "NatsConnectionImpl"
  );
  const edits = children(child(connection, "body"), "body").flatMap((member) => {
    const body = child(child(member, "value"), "body");
    const name = child(member, "key")?.name;
    if (typeof name !== "string" || !unused.has(name) || body === undefined) return [];
    return [{ start: body.start, end: body.end, text: `{ throw new Error("${name} is not in this bundle"); }` }];
  });
  if (edits.length !== unused.size) {
    throw new Error(`Cannot slim nats.ws: ${unused.size} methods wanted, found ${edits.length}`);
  }
  return edits;
}

/** Signing alone, as a module of its own, so that what it does not use is dropped. */
function signing(source: string, iife: Node): string {
  const call = child(iife, "expression");
  const callee = child(call, "callee");
  const fn = callee?.type === "ParenthesizedExpression" ? child(callee, "expression") : callee;
  const statements = children(child(fn, "body"), "body").filter((statement) =>
    statement.type !== "ExpressionStatement" || /^nacl\.sign[.\s]/.test(source.slice(statement.start))
  );
  return ["export const nacl = {};", ...statements.map(({ start, end }) => source.slice(start, end))].join("\n");
}

/** `nats.ws` cut up so that a bundler can drop what is not used; its own bundle runs code at the top that keeps everything. */
function cut(source: string): { main: string; nacl: string } {
  const { program, errors } = parseSync("nats.js", source);
  if (errors[0] !== undefined) throw new Error(`Cannot slim nats.ws: ${errors[0].message}`);
  const root = program as unknown as Node;
  const edits = withoutMethods(root);
  const enums = new Map<string, string>();
  let nacl = "";
  for (const statement of children(root, "body")) {
    const text = source.slice(statement.start, statement.end);
    const name = /^(?:var|const) (\w+)/.exec(text)?.[1];
    if (statement.type === "ExpressionStatement" && !text.startsWith("setEd25519Helper(")) {
      const found = enumOf(statement);
      if (found !== undefined) {
        const body = source.slice(found.fn.start, found.fn.end).replace(/\}$/, `return ${found.name};}`);
        enums.set(found.name, `var ${found.name} = /* @__PURE__ */ (${body})({});`);
      }
      if (text.startsWith("(function(nacl)")) nacl = signing(source, statement);
      edits.push({ start: statement.start, end: statement.end, text: "" });
    } else if (statement.type === "VariableDeclaration") {
      if (name === "nacl") edits.push({ start: statement.start, end: statement.end, text: `import { nacl } from "nacl";` });
      for (const { init } of children(statement, "declarations") as unknown as { init: Node | null }[]) {
        if (init?.type !== "CallExpression" && init?.type !== "NewExpression") continue;
        edits.push({ start: init.start, end: init.start, text: "/* @__PURE__ */ " });
      }
    }
  }
  if (nacl === "" || enums.size === 0) throw new Error("Cannot slim nats.ws: its bundle looks different from what is known");
  const main = edited(source, edits).replaceAll(/^var (\w+);$/gm, (all, name: string) => enums.get(name) ?? all);
  return { main, nacl };
}

/**
 * `nats.ws` without what Waybill does not use, as one ES module. Left alone, bundlers keep all of it, which is half of what a client
 * for browsers weighs, and stumble over its `require("crypto")`, which no browser reaches.
 */
export async function slimNats(): Promise<string> {
  const path = fileURLToPath(import.meta.resolve("nats.ws"));
  const { main, nacl } = cut(await readFile(path, "utf8"));
  const parts: Record<string, string> = { main, nacl };
  const plugin: Plugin = {
    name: "parts",
    setup(build) {
      build.onResolve({ filter: /^(main|nacl)$/ }, ({ path }) => ({ path, namespace: "part" }));
      build.onLoad({ filter: /.*/, namespace: "part" }, ({ path }) => ({ contents: parts[path] ?? "", loader: "js" }));
    },
  };
  const { outputFiles } = await build({
    stdin: { contents: `export { ${wanted.join(", ")} } from "main";` },
    bundle: true,
    minifySyntax: true,
    minifyWhitespace: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    banner: { js: banner },
    plugins: [plugin],
    write: false,
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}
