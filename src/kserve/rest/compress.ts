import type { EncodedAnswer } from "./encode.ts";

type Encoding = "gzip" | "deflate";

/** The encoding of an answer that a client likes best; `undefined` for none. Wildcards ask for nothing, as with Triton. */
export function preferredEncoding(header: string | null): Encoding | undefined {
  let best: { readonly encoding: Encoding; readonly weight: number } | undefined;
  for (const part of (header ?? "").split(",")) {
    const [name = "", ...parameters] = part.split(";").map((one) => one.trim().toLowerCase());
    if (name !== "gzip" && name !== "deflate") continue;
    const quality = parameters.find((one) => one.startsWith("q="));
    const weight = quality === undefined ? 1 : Number(quality.slice(2));
    if (weight > 0 && (best === undefined || weight > best.weight)) best = { encoding: name, weight };
  }
  return best?.encoding;
}

/** The answer of `infer`, compressed where the client wants that. */
export async function bodyAnswer({ body, jsonLength }: EncodedAnswer, acceptEncoding: string | null): Promise<Response> {
  const headers: Record<string, string> = {
    "content-type": jsonLength === undefined ? "application/json" : "application/octet-stream",
  };
  if (jsonLength !== undefined) headers["inference-header-content-length"] = String(jsonLength);
  const encoding = preferredEncoding(acceptEncoding);
  if (encoding === undefined) return new Response(body, { headers });
  headers["content-encoding"] = encoding;
  headers["vary"] = "accept-encoding";
  // Whole, so that the answer has a length: Python's clients want one.
  const packed = await new Response(new Blob([body]).stream().pipeThrough(new CompressionStream(encoding))).arrayBuffer();
  return new Response(packed, { headers });
}
