import process from "node:process";
import { Buffer } from "node:buffer";
import { randomBytes, timingSafeEqual } from "node:crypto";
import { rename, rm, writeFile } from "node:fs/promises";

/**
 * The secret of a node's start. Only this user's programs can read it, from the file beside the node's socket; who sends it is one of
 * the node's own.
 */
export class NodeSecret {
  readonly #text: string = randomBytes(32).toString("base64url");
  readonly #bytes: Uint8Array = Buffer.from(this.#text);

  /** Whether a text is the secret, in the same time for every wrong one. */
  is(text: string): boolean {
    const bytes = Buffer.from(text);
    return bytes.length === this.#bytes.length && timingSafeEqual(bytes, this.#bytes);
  }

  /** Writes it where only this user can read it. Whoever reads the file sees the old one or the new one whole. */
  async write(file: string): Promise<void> {
    const fresh = `${file}-${process.pid}`;
    await rm(fresh, { force: true });
    await writeFile(fresh, this.#text, { mode: 0o600, flag: "wx" });
    await rename(fresh, file);
  }
}
