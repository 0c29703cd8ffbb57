import { closeSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import { copyFile, rename, rm, stat } from "node:fs/promises";

/** How large logs may become. */
export interface LogBounds {
  /** Of the file that is written to; `Infinity` lets it grow. */
  readonly maxBytes: number;
  /** How many older files are kept beside it, as `<name>.log.1` (the newest) and so on. */
  readonly kept: number;
}

const lookMs = 1_000;
const chunkBytes = 1024 * 1024;

/** The names of a log's older files, the newest first. */
export function olderLogs(file: string, kept: number): string[] {
  return Array.from({ length: kept }, (_, index) => `${file}.${index + 1}`);
}

/**
 * Keeps the logs of running processes within bounds. They hold their files open and go on writing: what is there is copied away and the file
 * emptied. The last piece is copied in one go, so that no line is lost but one that is written in that very moment.
 */
export class LogRotation {
  readonly #files: () => Iterable<string>;
  readonly #bounds: LogBounds;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #working: Promise<void> = Promise.resolve();
  #busy = false;

  /** @param files those to look after, asked for each time */
  constructor(files: () => Iterable<string>, bounds: LogBounds) {
    this.#files = files;
    this.#bounds = bounds;
    if (bounds.maxBytes === Infinity) return;
    this.#timer = setInterval(() => this.#tick(), lookMs);
    this.#timer.unref?.();
  }

  /** Looks no more, once what it does is done. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#working;
  }

  #tick(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#working = this.#look().finally(() => this.#busy = false);
  }

  async #look(): Promise<void> {
    for (const file of new Set(this.#files())) {
      const size = (await stat(file).catch(() => undefined))?.size ?? 0;
      // A full disk or a folder that is gone must not end the deployment: the next look tries again.
      if (size > this.#bounds.maxBytes) await rotate(file, this.#bounds.kept).catch(() => {});
    }
  }
}

/** Copies a log away and empties it; the oldest copy goes. */
export async function rotate(file: string, kept: number): Promise<void> {
  if (kept === 0) {
    closeSync(openSync(file, "w"));
    return;
  }
  const names = olderLogs(file, kept);
  const copy = `${file}.new`;
  await copyFile(file, copy);
  await rm(names.at(-1) ?? copy, { force: true });
  for (let index = names.length - 1; index > 0; index--) {
    await rename(names[index - 1] ?? "", names[index] ?? "").catch(() => {});
  }
  moveRest(file, copy);
  renameSync(copy, names[0] ?? "");
}

/** Appends to the copy what was written meanwhile, and empties the file, without a turn of the loop in between. */
function moveRest(file: string, copy: string): void {
  const from = openSync(file, "r+");
  const to = openSync(copy, "r+");
  try {
    const chunk = new Uint8Array(chunkBytes);
    let position = fstatSync(to).size;
    for (let read = 0; (read = readSync(from, chunk, 0, chunk.length, position)) > 0; position += read) {
      writeSync(to, chunk, 0, read, position);
    }
    ftruncateSync(from, 0);
  } finally {
    closeSync(from);
    closeSync(to);
  }
}
