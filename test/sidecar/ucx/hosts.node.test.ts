// On one runtime: what differs between hosts is the addon's to handle. Two network namespaces stand for two hosts.
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { existsSync } from "node:fs";
import { type Program, startProgram } from "../../support/program.ts";
import { testUnless } from "../../support/skip.ts";
import { TwoHosts, whyNoNamespaces } from "./support/namespaces.ts";
import { startOwner } from "./support/peer.ts";
import { noUcx } from "./support/skip.ts";

const TCP = ["tcp", "self"];
const reason = noUcx ?? await whyNoNamespaces();

describe("UCX between two hosts", () => {
  let hosts: TwoHosts;
  const started: Program[] = [];
  beforeAll(async () => {
    if (reason === undefined) hosts = await TwoHosts.make();
  });
  afterAll(async () => {
    for (const program of started) await program.kill();
    await hosts?.remove();
  });

  /** An owner on the first host, bound to everything there is, and a reader on the second. */
  async function pair(bytes: number, transports: readonly string[], ownerOptions: object = {}): Promise<Program> {
    const options = { host: "0.0.0.0", advertiseHost: hosts.addresses[0], ...ownerOptions };
    const owner = await startOwner(transports, bytes, options, hosts.on(0));
    started.push(owner.program);
    expect(owner.peer.address).toMatch(/^10\.213\.7\.1:\d+$/);
    const args = [JSON.stringify({ transports, connectTimeoutMs: 5_000 }), owner.json];
    const reader = startProgram("test/sidecar/ucx/support/reader.ts", args, { through: hosts.on(1) });
    started.push(reader);
    return reader;
  }

  testUnless(reason, "goes by the advertised address, whatever is bound and whatever else the owner has", async () => {
    const reader = await pair(1 << 20, TCP);
    const [, lanes] = await reader.waitFor(/ENDED Ok \d+ \w+ (.*)\n/);
    expect(lanes).toContain(`tcp/${hosts.devices[1]}`);
    await reader.kill();
  }, 60_000);

  testUnless(reason, "fails when the owner was told to use an interface that leads nowhere", async () => {
    const reader = await pair(8, TCP, { devices: ["nowhere"] });
    const [, code] = await reader.waitFor(/ENDED (\w+)/);
    expect(code).toBe("Unavailable");
  }, 60_000);

  testUnless(
    reason,
    "shared memory between network namespaces is noticed, and no fetch waits for wake-ups that are lost",
    async () => {
      const reader = await pair(100_000, ["posix", "self", "tcp"]);
      await reader.waitFor(/(ENDED Ok.*\n){20}/);
      const tookMs = [...reader.output.matchAll(/ENDED Ok (\d+) (\w+)/g)].map((match) => [Number(match[1]), match[2]]);
      // All but the first know of it.
      expect(tookMs.slice(1).every(([, lost]) => lost === "true")).toBe(true);
      expect(tookMs.slice(1).map(([ms]) => Number(ms)).sort((a, b) => a - b)[10]).toBeLessThan(500);
      await reader.kill();
    },
    60_000,
  );

  testUnless(reason, "a host that is unplugged in the middle of a transfer fails it in seconds", async () => {
    const reader = await pair(64 << 20, TCP);
    await reader.waitFor(/ENDED Ok.*\n/);
    await hosts.ip(0, "link", "set", hosts.devices[0], "down");
    const [, ms] = await reader.waitFor(/ENDED Unavailable (\d+)/);
    // UCX's own settings take more than 26 s.
    expect(Number(ms)).toBeLessThan(15_000);
    await reader.exited;
  }, 60_000);

  testUnless(
    reason ?? (existsSync("/proc/self/ns/net") ? undefined : "no namespaces"),
    "leaves no namespace behind",
    async () => {
      expect(hosts.names.every((name) => existsSync(`/run/netns/${name}`))).toBe(true);
      await hosts.remove();
      expect(hosts.names.some((name) => existsSync(`/run/netns/${name}`))).toBe(false);
    },
  );
});
