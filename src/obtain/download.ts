import { createHash } from "node:crypto";

/** Refuses bytes that are not the pinned ones. */
export function requireSha256(what: string, bytes: Uint8Array, wanted: string): void {
  const seen = createHash("sha256").update(bytes).digest("hex");
  if (seen !== wanted) throw new Error(`${what} has the SHA-256 ${seen}, the pinned one is ${wanted}`);
}

/** Downloads a file. */
export async function download(url: string, signal: AbortSignal | undefined, timeoutMs: number = 120_000): Promise<Uint8Array> {
  const late = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { signal: signal === undefined ? late : AbortSignal.any([signal, late]) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The text of what was thrown, in one line, with the cause that `fetch` hides the reason in. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : "";
  return `${error.message}${cause}`.trim().split("\n")[0] ?? "";
}
