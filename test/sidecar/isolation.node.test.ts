// A sidecar runs on Node alone. Other users and other process ids are root's to give: without, these tests are skipped.
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect } from "bun:test";
import { Cleanup } from "../data/support.ts";
import { type Program, startProgram, until } from "../support/program.ts";
import { noSharedMemory, SidecarProcess } from "../support/sidecar.ts";
import { testUnless } from "../support/skip.ts";
import { attach, local, serviceOf } from "./support/node.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const root = fileURLToPath(new URL("../..", import.meta.url));
const alice = 64_001;
const bob = 64_002;
const asUser = (uid: number) => ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];

function runs([command = "", ...args]: readonly string[]): boolean {
  return spawnSync(command, args).status === 0;
}

const noUsers = noSharedMemory ??
  (process.getuid?.() !== 0
    ? "only root can become other users"
    : runs([...asUser(alice), process.execPath, "--version"]) && runs([...asUser(alice), "ls", `${root}src`])
    ? undefined
    : "no setpriv, or other users cannot read this folder");
const newProcesses = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
const noNamespaces = noSharedMemory ??
  (runs([...newProcesses, "true"]) ? undefined : "unshare cannot make a namespace of processes");

/** A sidecar, and where it is. */
interface Behind {
  readonly program: Program;
  readonly place: { readonly url: string; readonly address: string; readonly socketPath: string };
}

/** A sidecar behind a command that makes it somebody else. */
async function behind(command: readonly string[], folder: string, node: string): Promise<Behind> {
  const socketPath = join(folder, "node.sock");
  const told = { node, socketPath, budgetBytes: 2 ** 24, ucx: false, drainMs: 0 };
  const env = { WAYBILL_SIDECAR_OPTIONS: JSON.stringify(told), XDG_RUNTIME_DIR: folder, HOME: folder };
  const program = startProgram("src/sidecar/program.ts", [], { env, runtime: "node", through: command });
  // What is killed leaves its memory to the next sidecar of its user, and these users have no other.
  cleanup.defer(() => program.kill(command === newProcesses ? "SIGKILL" : "SIGTERM"));
  await program.waitFor(/"Serving"/);
  const [, url = ""] = /"url":"([^"]+)"/.exec(program.output) ?? [];
  return { program, place: { url, address: `unix:${socketPath}`, socketPath } };
}

function folderOf(uid: number): string {
  const folder = mkdtempSync(join(tmpdir(), "waybill-user-"));
  chownSync(folder, uid, uid);
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe("two users of one machine", () => {
  testUnless(noUsers, "can neither map, list nor fetch each other's tensors", async () => {
    const { place } = await behind(asUser(alice), folderOf(alice), "alice");
    await behind(asUser(bob), folderOf(bob), "bob");
    const worker = await attach(cleanup, place as never);
    const own = worker.attached.own!;
    const block = { segment: own.name, offset: 0n, generation: 1n };
    const [put] = await worker.batch({ kind: { case: "put", value: { block, dtype: "UINT8", shape: [8n], byteSize: 8n } } });
    const { ways } = put!.value as { ways: { kind: { case: string; value: { url: string } } }[] };
    const tensor = new URL(ways.find(({ kind }) => kind.case === "http")!.kind.value.url).pathname;
    const trespass = async (uid: number) => {
      const args = [JSON.stringify({ segment: own.path, socketPath: place.socketPath, url: place.url, tensor })];
      const env = { HOME: tmpdir() };
      const program = startProgram("test/fixtures/trespass.ts", args, { runtime: "node", env, through: asUser(uid) });
      await program.exited;
      return JSON.parse(program.output);
    };
    const refused = { fetched: 403, forged: 403, described: 401 };
    expect(await trespass(bob)).toEqual({ read: "EACCES", write: "EACCES", secret: "EACCES", socket: "EACCES", ...refused });
    // Of her own she has the memory; what goes over HTTP needs a proof of her too.
    expect(await trespass(alice)).toEqual({ read: "done", write: "done", secret: "done", socket: "done", ...refused });
    expect((await serviceOf(place).describe({}, await local(place))).leases).toBe(1);
  });
});

describe("two containers with one /dev/shm", () => {
  testUnless(noNamespaces, "leave each other's segments alone, whatever their process ids are", async () => {
    const outside = cleanup.add(await new SidecarProcess({ budgetBytes: 2 ** 24 }).start());
    const placeOf = ({ address, socketPath }: SidecarProcess) => ({ url: "http://x", address, socketPath });
    const kept = (await attach(cleanup, placeOf(outside) as never)).attached.own?.path ?? "";
    const inside = await behind(newProcesses, folderOf(0), "inside");
    const theirs = (await attach(cleanup, inside.place as never)).attached.own?.path ?? "";
    expect([existsSync(kept), existsSync(theirs)]).toEqual([true, true]);
    // One more, which sweeps again, with both alive; then without the one inside.
    const again = cleanup.add(await new SidecarProcess({ node: "node-c", budgetBytes: 2 ** 24 }).start());
    expect([existsSync(kept), existsSync(theirs)]).toEqual([true, true]);
    await inside.program.kill("SIGKILL");
    await until("its process is gone too", async () => {
      await again.stop();
      await again.start();
      return !existsSync(theirs);
    });
    expect(existsSync(kept)).toBe(true);
  });
});
