import { parseArgs } from "node:util";
import { Code, ConnectError } from "@connectrpc/connect";

/** One `--operator`, as it was written. */
export interface OperatorFlag {
  readonly name: string;
  /** The file that defines it. */
  readonly module: string;
  /** What it is to have in place of what the module says, in the order in which it was written. */
  readonly properties: readonly (readonly [property: OperatorProperty, value: string | number | boolean])[];
}

const kinds = {
  version: "text",
  maxInflight: "number",
  maxAttempts: "number",
  priorities: "number",
  storage: "text",
  idempotent: "boolean",
  ackWaitMs: "number",
  maxQueuedMessages: "number",
  maxQueuedBytes: "number",
  maxQueuedAgeMs: "number",
} as const;

/** What of an operator can be said on the command line. */
export type OperatorProperty = keyof typeof kinds;

const usage = "NAME,module=FILE and any of " + Object.keys(kinds).map((name) => `${name}=…`).join(", ");

/**
 * Every `--operator NAME,module=FILE,property=value…` of a command line, in order. citty 0.2 keeps the last of a repeated flag.
 *
 * @throws {ConnectError} `invalid_argument` for one without a value, without a module, or with a property that there is not
 */
export function operatorFlags(rawArgs: readonly string[]): OperatorFlag[] {
  const { values } = parseArgs({
    args: [...rawArgs],
    options: { operator: { type: "string", multiple: true } },
    strict: false,
  });
  return (values.operator ?? []).map(operatorFlag);
}

function operatorFlag(text: string | boolean): OperatorFlag {
  if (typeof text !== "string" || text === "" || text.startsWith("-")) {
    throw refusal(`--operator expected at least one argument, ${usage}, got none`);
  }
  const [name = "", ...pairs] = text.split(",");
  if (name === "" || name.includes("=")) throw refusal(`--operator must begin with a name, as in ${usage}, got "${text}"`);
  const seen = new Map<string, string | number | boolean>();
  for (const pair of pairs) {
    const [property = "", ...rest] = pair.split("=");
    if (seen.has(property)) throw refusal(`--operator "${name}" must have each property once, got "${property}" twice`);
    seen.set(property, valueOf(name, property, rest.join("=")));
  }
  const { module } = Object.fromEntries(seen);
  if (module === undefined) throw refusal(`--operator "${name}" must say the file that defines it, module=FILE, got "${text}"`);
  seen.delete("module");
  return { name, module: String(module), properties: [...seen] as [OperatorProperty, string | number | boolean][] };
}

function valueOf(name: string, property: string, text: string): string | number | boolean {
  const kind = property === "module"
    ? "text"
    : Object.hasOwn(kinds, property)
    ? kinds[property as OperatorProperty]
    : undefined;
  if (kind === undefined) throw refusal(`--operator "${name}" must be ${usage}, got "${property}"`);
  if (kind === "text" && text !== "") return text;
  if (kind === "boolean" && (text === "true" || text === "false")) return text === "true";
  if (kind === "number" && /^\d+$/.test(text)) return Number(text);
  const wanted = { text: "some text", boolean: "true or false", number: "a whole number" }[kind];
  throw refusal(`--operator "${name}": ${property} must be ${wanted}, got "${text}"`);
}

function refusal(text: string): ConnectError {
  return new ConnectError(`Cannot run this: ${text}`, Code.InvalidArgument);
}
