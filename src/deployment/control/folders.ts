import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { fault } from "../../rpc/error.ts";
import { isAlive } from "./alive.ts";
import type { ControlRecord } from "./messages.ts";

/**
 * Refuses folders that another running deployment of this user writes to: the logs of two would mix, and two brokers would break what
 * they store. Of two that start at once the older one stays.
 *
 * @param folder where deployments are listed
 * @throws {ConnectError} `already_exists` naming the folder and the other deployment
 */
export async function checkFolders(folder: string, own: ControlRecord): Promise<void> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".json"));
  const records = await Promise.all(
    files.map((file) =>
      readFile(join(folder, file), "utf8").then((text) => JSON.parse(text) as ControlRecord).catch(() => undefined)
    ),
  );
  for (const other of records) {
    if (other === undefined || other.name === own.name || !isOlder(other, own) || !isAlive(other.pid)) continue;
    const shared = own.folders.find((path) => other.folders?.includes(path));
    if (shared === undefined) continue;
    const text = `it would write to "${shared}", as the running deployment "${other.name}" does`;
    const advice = "give it another folder (logDir, --log-dir; broker.dataDir)";
    throw fault(`Cannot start the deployment "${own.name}": ${text}; ${advice}`, Code.AlreadyExists);
  }
}

function isOlder(other: ControlRecord, own: ControlRecord): boolean {
  return other.startedAtMs < own.startedAtMs || other.startedAtMs === own.startedAtMs && other.name < own.name;
}
