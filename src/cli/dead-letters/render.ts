import type { DeadLetter, DeadRequest } from "../../deployment/mod.ts";
import { table } from "../table.ts";

/** A letter for machines: neither payload nor metadata, which may hold secrets. */
export function toJson(letter: DeadLetter): Record<string, unknown> {
  const { payload, metadata: _, ...rest } = letter;
  return { ...rest, at: letter.at.toISOString(), bytes: payload.length };
}

const head = ["ID", "OPERATOR", "VERSION", "REASON", "ATTEMPTS", "BYTES", "AT"];

/** Letters as a table. */
export function renderLetters(letters: readonly DeadLetter[]): string {
  if (letters.length === 0) return "No dead letters";
  const rows = letters.map(({ id, operator, version = "-", reason, attempts = "-", payload, at }) =>
    [id, operator, version, reason, attempts, payload.length, at.toISOString()].map(String)
  );
  return table([head, ...rows]).join("\n");
}

/** One letter with what it asked for. */
export function renderLetter(letter: DeadLetter, request: DeadRequest | undefined): string {
  const { id, operator, version = "-", priority, reason, attempts = "-", at, method = "-", caller = "-", timeoutMs } = letter;
  const lines = [
    ["dead letter", id],
    ["operator", operator],
    ["version", version],
    ["priority", priority],
    ["reason", reason],
    ["attempts", attempts],
    ["given up", at.toISOString()],
    ["method", method],
    ["caller", caller],
    ["timeout", timeoutMs === 0 ? "none" : `${timeoutMs} ms`],
    ["bytes", letter.payload.length],
    ...requestLines(request),
  ];
  return table(lines.map((line) => line.map(String))).join("\n");
}

function requestLines(request: DeadRequest | undefined): (readonly [string, string])[] {
  if (request === undefined) return [["request", "cannot be read"]];
  return [
    ["request id", request.id || "-"],
    ...Object.entries(request.parameters).map(([name, value]) =>
      ["parameter", `${name} = ${JSON.stringify(value, bigints)}`] as const
    ),
    ...request.inputs.map(({ name, dtype, shape, byteSize, byReference }) =>
      ["input", `${name}: ${dtype} [${shape.join(", ")}], ${byteSize} bytes${byReference ? ", by reference" : ""}`] as const
    ),
    ...request.headers.map((name) => ["header", `${name} (not shown)`] as const),
  ];
}

function bigints(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
