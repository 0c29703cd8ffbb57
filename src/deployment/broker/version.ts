import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** What is built or downloaded where no broker is found. Every way to get one pins a version of its own. */
export const brokerVersion = "2.15.2";

/** The oldest broker that will do: consumers with priorities and pause, and per-message time to live came before it. */
export const minBrokerVersion = "2.12.0";

const run = promisify(execFile);

/** Negative when `a` is older than `b`, 0 when they are the same, positive when it is newer. */
export function compareVersions(a: string, b: string): number {
  const numbers = (version: string) => version.replace(/^v/, "").split(/[.-]/).map(Number);
  const [left, right] = [numbers(a), numbers(b)];
  for (let index = 0; index < 3; index++) {
    const difference = (left[index] || 0) - (right[index] || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Asks a nats-server for its version. */
export async function readBrokerVersion(path: string): Promise<string> {
  const { stdout } = await run(path, ["--version"], { timeout: 10_000 });
  const version = /v(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`it printed "${stdout.trim().slice(0, 80)}"`);
  return version;
}
