import process from "node:process";
import { stripVTControlCharacters } from "node:util";

/** Where a file is wrong, in the way of Bun. */
interface Position {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/** Why a file could not be imported, with the place: each runtime keeps that elsewhere. */
export function importFailure(cause: unknown): string {
  if (!(cause instanceof Error) && !hasMessage(cause)) return String(cause);
  // Bun gathers the mistakes of a file.
  const { errors } = cause as { errors?: unknown };
  const first = Array.isArray(errors) && hasMessage(errors[0]) ? errors[0] : cause;
  const message = stripVTControlCharacters(first.message);
  if ("code" in first && first.code === "ERR_UNKNOWN_FILE_EXTENSION") {
    return `${message}; TypeScript as it is takes Node 22.18 or newer, Bun or Deno, got Node ${process.versions.node}`;
  }
  const place = placeOf(first);
  return place === undefined || message.includes(place) ? message : `${message} (at ${place})`;
}

function placeOf(error: object): string | undefined {
  const { position, stack = "" } = error as { position?: Position | null; stack?: string };
  if (position?.file !== undefined) return `${position.file}:${position.line}:${position.column}`;
  const lines = stripVTControlCharacters(String(stack)).split("\n");
  // Node begins the stack of a file that it cannot parse with its place.
  const [, parsed] = /^((?:file:\/\/)?\/.*:\d+)$/.exec(lines[0] ?? "") ?? [];
  if (parsed !== undefined) return parsed;
  // Of what a module throws, the innermost place that is no runtime's own.
  for (const line of lines) {
    const [, frame] = /^\s+at .*?((?:file:\/\/)?\/[^\s()]+:\d+:\d+)\)?$/.exec(line) ?? [];
    if (frame !== undefined) return frame;
  }
  return undefined;
}

function hasMessage(value: unknown): value is { message: string } {
  return typeof value === "object" && value !== null && "message" in value && typeof value.message === "string";
}
