import { Code, ConnectError } from "@connectrpc/connect";

const MAX_HEAD_BYTES = 16_384;
const CR = 13;
const LF = 10;
const decoder = new TextDecoder("latin1");

/** The head of an HTTP/1.1 answer, read as it comes: the status, and what tells where the body ends. */
export class HttpHead {
  /** The status; 0 until the head is whole. */
  status = 0;
  /** Bytes of the body; `undefined` where the head does not say, or says it in another way. */
  contentLength: number | undefined;
  /** Whether the connection may be used again. */
  keepAlive = false;
  #bytes: Uint8Array<ArrayBufferLike> = new Uint8Array(0);

  /** Whether nothing has come yet. */
  get empty(): boolean {
    return this.status === 0 && this.#bytes.length === 0;
  }

  /**
   * Takes a piece; returns what follows the head once it is whole, `undefined` before that.
   *
   * @throws {ConnectError} `unavailable` for what is no HTTP/1.1
   */
  push(piece: Uint8Array): Uint8Array | undefined {
    const bytes = this.#bytes.length === 0 ? piece : joined(this.#bytes, piece);
    const end = endOf(bytes);
    if (end < 0) {
      if (bytes.length > MAX_HEAD_BYTES) throw broken(`a head of at most ${MAX_HEAD_BYTES} bytes must come, got more`);
      this.#bytes = bytes;
      return undefined;
    }
    const rest = bytes.subarray(end + 4);
    this.#read(decoder.decode(bytes.subarray(0, end)));
    // 100 Continue and its kin come before the answer itself.
    if (this.status >= 200) return rest;
    this.status = 0;
    this.#bytes = new Uint8Array(0);
    return rest.length === 0 ? undefined : this.push(rest);
  }

  #read(text: string): void {
    const [, minor, status] = /^HTTP\/1\.([01]) (\d{3})(?: |\r\n|$)/.exec(text) ?? [];
    if (status === undefined) throw broken("an HTTP/1.1 answer must come, got something else");
    this.status = Number(status);
    this.keepAlive = minor === "1";
    this.contentLength = undefined;
    let otherwise = false;
    for (const line of text.split("\r\n").slice(1)) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      if (name === "content-length") {
        const length = /^\d{1,15}$/.test(value) ? Number(value) : NaN;
        if (Number.isNaN(length) || (this.contentLength ?? length) !== length) {
          throw broken("one content-length must come, got none that can be read");
        }
        this.contentLength = length;
      } else if (name === "transfer-encoding" || name === "content-encoding" && value !== "identity") otherwise = true;
      else if (name === "connection") this.keepAlive = this.keepAlive && value.toLowerCase() !== "close";
    }
    if (otherwise) this.contentLength = undefined;
    if (this.status === 204 || this.status === 304) this.contentLength = 0;
  }
}

/** Where the empty line is that ends a head; -1 when it has not come. */
function endOf(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(CR); at >= 0; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] === LF && bytes[at + 2] === CR && bytes[at + 3] === LF) return at;
  }
  return -1;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

function broken(what: string): ConnectError {
  return new ConnectError(`Cannot fetch a tensor over HTTP: ${what}`, Code.Unavailable);
}
