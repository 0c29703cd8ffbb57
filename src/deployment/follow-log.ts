import { open, readFile, stat } from "node:fs/promises";
import { olderLogs } from "./log-rotation.ts";

/** More older files than any deployment keeps. */
const mostKept = 100;

/** Reads a log as it grows, also across rotations. */
export class LogFollower {
  readonly #file: string;
  #position = 0;
  /** Which file was the newest of the older ones at the last look. */
  #older: number | undefined;
  /** A line that has not ended yet. */
  #rest = "";
  #shrunk = false;
  readonly #decoder = new TextDecoder();

  constructor(file: string) {
    this.#file = file;
  }

  /** The last lines that there are, from older files too; {@linkcode next} goes on after them. */
  async last(lines: number): Promise<string[]> {
    this.#older = await inodeOf(`${this.#file}.1`);
    const bytes = await readFile(this.#file).catch(() => new Uint8Array());
    this.#position = bytes.length;
    let found = this.#lines(this.#decoder.decode(bytes, { stream: true }));
    for (const older of olderLogs(this.#file, mostKept)) {
      if (found.length >= lines) break;
      const text = await readFile(older, "utf8").catch(() => undefined);
      if (text === undefined) break;
      found = [...text.split("\n").filter((line) => line !== ""), ...found];
    }
    return lines === Infinity ? found : lines === 0 ? [] : found.slice(-lines);
  }

  /** The lines that have come since. */
  async next(): Promise<string[]> {
    const older = await inodeOf(`${this.#file}.1`);
    const size = (await stat(this.#file).catch(() => undefined))?.size ?? 0;
    let text = "";
    if (older !== this.#older) {
      // Rotated: what was not read yet is at the end of the older file.
      text = await this.#read(`${this.#file}.1`, this.#position);
      this.#older = older;
      this.#position = 0;
    } else if (size < this.#position) {
      // Emptied, by a rotation whose copy has no name yet, or by hand: the next look tells.
      if (!this.#shrunk) {
        this.#shrunk = true;
        return [];
      }
      this.#position = 0;
    }
    this.#shrunk = false;
    const fresh = await this.#read(this.#file, this.#position);
    return this.#lines(text + fresh);
  }

  async #read(path: string, from: number): Promise<string> {
    const file = await open(path, "r").catch(() => undefined);
    if (file === undefined) return "";
    try {
      const size = Math.max(0, (await file.stat()).size - from);
      const { buffer, bytesRead } = await file.read({ buffer: new Uint8Array(size), position: from });
      this.#position = from + bytesRead;
      return this.#decoder.decode(buffer.subarray(0, bytesRead), { stream: true });
    } finally {
      await file.close();
    }
  }

  #lines(text: string): string[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines;
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.ino;
}
