import { readdirSync, readFileSync } from "node:fs";

const folder = new URL("../golden/http/", import.meta.url);

/** One recorded request, and what a real Triton answered. */
export interface HttpCase {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly answer: { readonly status: number; readonly headers: Headers; readonly body: Uint8Array<ArrayBuffer> };
}

/** Names of all recorded cases. */
export function httpCaseNames(): string[] {
  return readdirSync(folder).map((file) => file.replace(/\.txt$/, "")).sort();
}

/** Reads a recorded case. */
export function httpCase(name: string): HttpCase {
  const text = readFileSync(new URL(`${name}.txt`, folder), "utf8");
  const [, requestText = "", answerText = ""] = /^### REQUEST\n([^]*?)\n### RESPONSE\n([^]*)$/.exec(text) ?? [];
  const [requestLine = "", ...rest] = requestText.split("\n");
  const [method = "", path = ""] = requestLine.split(" ");
  const request = partsOf(rest);
  const [statusLine = "", ...answerRest] = answerText.split("\n");
  const answer = partsOf(answerRest);
  return {
    name,
    method,
    path,
    headers: Object.fromEntries(request.headers),
    body: request.body,
    answer: { status: Number(statusLine.split(" ")[1]), headers: answer.headers, body: answer.body },
  };
}

function partsOf(lines: readonly string[]): { headers: Headers; body: Uint8Array<ArrayBuffer> } {
  const blank = lines.indexOf("");
  const headers = new Headers(
    lines.slice(0, blank).map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
  return { headers, body: bodyOf(lines.slice(blank + 1).join("\n").replace(/\n$/, "")) };
}

function bodyOf(text: string): Uint8Array<ArrayBuffer> {
  const python = /^\(binary, \d+ bytes; python repr\) b(['"])([^]*)\1$/.exec(text);
  return python === null ? new TextEncoder().encode(text) : pythonBytes(python[2]!);
}

/** The bytes of a Python literal, or of a protobuf text's: octal escapes as well. */
export function pythonBytes(literal: string): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  const simple: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, "\\": 92, "'": 39, '"': 34 };
  for (let i = 0; i < literal.length; i++) {
    if (literal[i] !== "\\") {
      bytes.push(...new TextEncoder().encode(literal[i]));
      continue;
    }
    const next = literal[++i]!;
    const octal = /^[0-7]{1,3}/.exec(literal.slice(i));
    if (next === "x") {
      bytes.push(Number.parseInt(literal.slice(i + 1, i + 3), 16));
      i += 2;
    } else if (octal !== null) {
      bytes.push(Number.parseInt(octal[0], 8));
      i += octal[0].length - 1;
    } else bytes.push(simple[next]!);
  }
  return new Uint8Array(bytes);
}
