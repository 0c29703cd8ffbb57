import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Why network namespaces cannot be made here; `undefined` when they can. */
export async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const name = `wb${randomBytes(3).toString("hex")}`;
  const made = await run("ip", ["netns", "add", name]).then(() => undefined, () => "network namespaces cannot be made here");
  if (made === undefined) await run("ip", ["netns", "delete", name]);
  return made;
}

/** Two hosts with a cable between them, and on the first a second interface that leads nowhere. */
export class TwoHosts {
  /** Their namespaces. */
  readonly names: readonly [string, string];
  /** Their addresses on the cable. */
  readonly addresses: readonly [string, string] = ["10.213.7.1", "10.213.7.2"];
  /** The cable's ends. */
  readonly devices: readonly [string, string];

  private constructor(id: string) {
    this.names = [`wba${id}`, `wbb${id}`];
    this.devices = [`wva${id}`, `wvb${id}`];
  }

  static async make(): Promise<TwoHosts> {
    const id = randomBytes(3).toString("hex");
    const hosts = new TwoHosts(id);
    const { names, addresses, devices } = hosts;
    for (const name of names) await run("ip", ["netns", "add", name]);
    try {
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
        await hosts.ip(side, "address", "add", `${addresses[side]}/24`, "dev", devices[side]);
        await hosts.ip(side, "link", "set", devices[side], "up");
        await hosts.ip(side, "link", "set", "lo", "up");
      }
      await hosts.ip(0, "link", "add", "nowhere", "type", "veth", "peer", "name", "nowhere2");
      await hosts.ip(0, "address", "add", "10.99.99.1/24", "dev", "nowhere");
      await hosts.ip(0, "link", "set", "nowhere", "up");
      await hosts.ip(0, "link", "set", "nowhere2", "up");
    } catch (error) {
      await hosts.remove();
      throw error;
    }
    return hosts;
  }

  /** Runs `ip` on one of them. */
  async ip(side: 0 | 1, ...args: string[]): Promise<void> {
    await run("ip", ["-n", this.names[side], ...args]);
  }

  /** What runs a command on one of them. */
  on(side: 0 | 1): readonly string[] {
    return ["ip", "netns", "exec", this.names[side]];
  }

  /** Removes both, and the cable with them. */
  async remove(): Promise<void> {
    for (const name of this.names) await run("ip", ["netns", "delete", name]).catch(() => {});
  }
}
