import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Resources } from "./resources.ts";

const run = promisify(execFile);

/** Two network namespaces with a cable between them, which stand for two hosts. */
export interface TwoHosts {
  /** Their addresses. */
  readonly addresses: readonly [string, string];
  /** What runs a command on one of them. */
  on(side: 0 | 1): readonly string[];
  /** Pulls the cable out of the first. */
  unplug(): Promise<void>;
}

/** Makes two hosts, which end with the resources. Rejects where that is not permitted: it needs root. */
export async function makeTwoHosts(resources: Resources): Promise<TwoHosts> {
  const names = [`wbench-a${process.pid}`, `wbench-b${process.pid}`] as const;
  const devices = [`wa${process.pid}`, `wb${process.pid}`] as const;
  const addresses = ["10.213.8.1", "10.213.8.2"] as const;
  for (const name of names) {
    await run("ip", ["netns", "add", name]);
    resources.defer(() => run("ip", ["netns", "delete", name]));
  }
  await run("ip", [
    "link",
    "add",
    devices[0],
    "netns",
    names[0],
    "type",
    "veth",
    "peer",
    "name",
    devices[1],
    "netns",
    names[1],
  ]);
  for (const side of [0, 1] as const) {
    const ip = (...args: string[]) => run("ip", ["-n", names[side], ...args]);
    await ip("address", "add", `${addresses[side]}/24`, "dev", devices[side]);
    await ip("link", "set", devices[side], "up");
    await ip("link", "set", "lo", "up");
  }
  return {
    addresses,
    on: (side) => ["ip", "netns", "exec", names[side]],
    unplug: async () => void await run("ip", ["-n", names[0], "link", "set", devices[0], "down"]),
  };
}
