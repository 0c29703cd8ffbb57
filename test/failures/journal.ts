import { readFile } from "node:fs/promises";

/** One execution of a request by a worker, as its process wrote it down. */
export interface Execution {
  readonly id: string;
  readonly operator: string;
  readonly attempt: number;
  readonly pid: number;
  readonly beganAtMs: number;
  /** `undefined` where the process ended before, or is still at it. */
  readonly ended: "end" | "aborted" | undefined;
}

interface Line {
  readonly what: "begin" | "end" | "aborted";
  readonly operator: string;
  readonly id: string;
  readonly attempt: number;
  readonly pid: number;
  readonly atMs: number;
}

/** Reads the executions that test/fixtures/recorded-worker.ts has written down, in the order in which they began. */
export async function readJournal(file: string): Promise<Execution[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  // A process that is killed while it writes leaves half a line.
  const lines = text.split("\n").filter((line) => line.endsWith("}")).map((line) => JSON.parse(line) as Line);
  const key = ({ operator, id, attempt, pid }: Line) => `${operator} ${id} ${attempt} ${pid}`;
  const ends = new Map(lines.filter(({ what }) => what !== "begin").map((line) => [key(line), line.what]));
  return lines.filter(({ what }) => what === "begin").map((line) => {
    const { id, operator, attempt, pid, atMs } = line;
    return { id, operator, attempt, pid, beganAtMs: atMs, ended: ends.get(key(line)) as Execution["ended"] };
  });
}
