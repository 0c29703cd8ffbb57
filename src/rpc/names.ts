import { Code, ConnectError } from "@connectrpc/connect";

const PLAIN = /^[a-z0-9_-]+$/;
const NAMESPACE = /^[a-z0-9_-]{1,32}$/;
const TOKEN = /^[a-z0-9_=-]{1,200}$/;
const MAX_TOKEN_LENGTH = 200;

/**
 * Turns a name of any characters into one subject token, which also fits a stream's name, a key and a file's name: `a-z`,
 * `0-9`, `_` and `-` stay, every other byte of its UTF-8 becomes `=xx`. Injective, also where case is folded:
 * `a.b` is `a=2eb` and `A` is `=41`.
 *
 * @throws {ConnectError} `invalid_argument` when the name is empty or its token longer than 200 characters
 */
export function escapeName(name: string): string {
  if (PLAIN.test(name) && name.length <= MAX_TOKEN_LENGTH) return name;
  let token = "";
  for (const byte of new TextEncoder().encode(name)) {
    const char = String.fromCharCode(byte);
    token += byte < 128 && PLAIN.test(char) ? char : `=${byte.toString(16).padStart(2, "0")}`;
  }
  if (token.length === 0 || token.length > MAX_TOKEN_LENGTH) {
    const seen = name.length > 40 ? `${name.slice(0, 40)}…` : name;
    throw new ConnectError(
      `Cannot use "${seen}" as a name: its subject token wants 1 to ${MAX_TOKEN_LENGTH} characters, got ${token.length}`,
      Code.InvalidArgument,
    );
  }
  return token;
}

/** Undoes {@linkcode escapeName}; gives back what is no token as it is. */
export function unescapeName(token: string): string {
  if (!token.includes("=")) return token;
  const bytes: number[] = [];
  for (let i = 0; i < token.length; i++) {
    if (token[i] === "=") {
      bytes.push(Number.parseInt(token.slice(i + 1, i + 3), 16));
      i += 2;
    } else bytes.push(token.charCodeAt(i));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** Whether text from the wire may stand as one token in a subject that we publish to. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/**
 * Checks a deployment's namespace, which stands in subjects and stream names as it is.
 *
 * @throws {ConnectError} `invalid_argument` unless it is 1 to 32 characters of `a-z`, `0-9`, `_`, `-`
 */
export function checkNamespace(namespace: string): string {
  if (!NAMESPACE.test(namespace)) {
    throw new ConnectError(
      `Cannot use "${namespace}" as a namespace: it wants 1 to 32 characters of a-z, 0-9, "_" and "-"`,
      Code.InvalidArgument,
    );
  }
  return namespace;
}
