import { Code, ConnectError } from "@connectrpc/connect";
import { MAX_ANSWER_BYTES } from "./node-wire.ts";

/** Before each message of a Connect stream: one byte of flags, four of length. */
const HEAD_BYTES = 5;

/** A message of a Connect stream. */
export interface Envelope {
  /** 1: compressed. 2: the last one, which holds no message but how the stream ended. */
  readonly flags: number;
  readonly data: Uint8Array;
}

/** A message as a Connect stream carries it. */
export function envelope(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const framed = new Uint8Array(HEAD_BYTES + data.length);
  new DataView(framed.buffer).setUint32(1, data.length);
  framed.set(data, HEAD_BYTES);
  return framed;
}

/**
 * The messages of a Connect stream as they come. Leaving the loop early lets go of the rest.
 *
 * @throws {ConnectError} `resource_exhausted` for one that is too large, `invalid_argument` when the last one is cut
 */
export async function* envelopesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Envelope> {
  if (body === null) return;
  const reader = body.getReader();
  const source = new ByteSource(reader);
  try {
    for (let head = await source.take(HEAD_BYTES, true); head !== undefined; head = await source.take(HEAD_BYTES, true)) {
      const length = new DataView(head.buffer).getUint32(1);
      if (length > MAX_ANSWER_BYTES) {
        throw new ConnectError(
          `Cannot read an answer: a message may take at most ${MAX_ANSWER_BYTES} bytes, got ${length}`,
          Code.ResourceExhausted,
        );
      }
      yield { flags: head[0] as number, data: await source.take(length, false) as Uint8Array };
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Takes bytes of a stream by number. */
class ByteSource {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.#reader = reader;
  }

  /** The next bytes; `undefined` at the end, where it may be there. */
  async take(count: number, mayEnd: boolean): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const taken = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#reader.read();
        if (done && at === 0 && mayEnd) return undefined;
        // In the words of Connect's own.
        if (done) throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
        this.#rest = value;
      }
      const part = this.#rest.subarray(0, count - at);
      taken.set(part, at);
      at += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    return taken;
  }
}
