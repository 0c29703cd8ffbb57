import { ConnectError } from "@connectrpc/connect";
import { piecesOf } from "../../data/stream.ts";
import { invalid, unsupported } from "../errors.ts";

/**
 * A request's body, decompressed. Reads no more than `maxBytes` of it, compressed or not.
 *
 * @throws {ConnectError} `invalid_argument` for a longer one, `unimplemented` for an encoding that is not known
 */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array> {
  const { body, headers } = request;
  const announced = Number(headers.get("content-length") ?? 0);
  if (announced > maxBytes) {
    await body?.cancel().catch(() => {});
    throw tooLong(announced, maxBytes);
  }
  const encoding = (headers.get("content-encoding") ?? "identity").trim().toLowerCase();
  if (encoding === "identity" || encoding === "") return await collect(body, maxBytes, announced);
  if (encoding !== "gzip" && encoding !== "deflate") {
    await body?.cancel().catch(() => {});
    throw unsupported("Unsupported compression type");
  }
  if (body === null) return new Uint8Array(0);
  const pipe = new DecompressionStream(encoding) as ReadableWritablePair<Uint8Array, Uint8Array>;
  try {
    return await collect(body.pipeThrough(pipe), maxBytes, 0);
  } catch (error) {
    if (error instanceof ConnectError) throw error;
    // Triton takes what does not decompress for an empty body, and answers as to that.
    throw invalid("failed to decompress the request body", error);
  }
}

async function collect(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
  announced: number,
): Promise<Uint8Array> {
  // What is announced may not come: room is made as it does.
  let bytes = new Uint8Array(Math.min(announced, 1024 * 1024));
  let length = 0;
  for await (const piece of piecesOf(body)) {
    const wanted = length + piece.length;
    if (wanted > maxBytes) throw tooLong(wanted, maxBytes);
    if (wanted > bytes.length) {
      const larger = new Uint8Array(Math.min(maxBytes, Math.max(wanted, bytes.length * 2, Math.min(announced, wanted * 8))));
      larger.set(bytes.subarray(0, length));
      bytes = larger;
    }
    bytes.set(piece, length);
    length = wanted;
  }
  return bytes.subarray(0, length);
}

function tooLong(bytes: number, maxBytes: number): Error {
  return invalid(
    `request JSON size of ${bytes} bytes exceeds the maximum allowed input size of ${maxBytes} bytes. ` +
      "Use --http-max-input-size to increase the limit.",
  );
}
