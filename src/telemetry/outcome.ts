import { Code, ConnectError } from "@connectrpc/connect";

/** What metrics and spans call an end: `ok`, or the error's code such as `deadline_exceeded`. */
export function outcomeOf(error: unknown): string {
  return error === undefined ? "ok" : codeName(ConnectError.from(error).code);
}

/** A code as the wire spells it. */
export function codeName(code: Code): string {
  return names.get(code) ?? "unknown";
}

const names: ReadonlyMap<Code, string> = new Map(
  Object.entries(Code).filter((entry): entry is [string, Code] => typeof entry[1] === "number")
    .map(([name, code]) => [code, name.replace(/[A-Z]/g, (letter, at) => `${at === 0 ? "" : "_"}${letter.toLowerCase()}`)]),
);
