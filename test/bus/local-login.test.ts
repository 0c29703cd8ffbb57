import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { findLocalLogins, readLogins } from "../../src/bus/local-login-node.ts";
import { ownerOf } from "../../src/bus/owner.ts";

const login = (user: string) => ({ user, password: "secret" });
const logins = (deployment: string, startedAtMs: number, urls: readonly string[]) => {
  const roles = { client: login(`wb-client-${deployment}`), worker: login("wb-worker"), supervisor: login("wb-supervisor") };
  return JSON.stringify({ deployment, startedAtMs, urls, roles, clients: {} });
};

describe("logins of local deployments", () => {
  let folder: string;
  beforeAll(async () => {
    folder = join(await mkdtemp(join(tmpdir(), "waybill-logins-")), "waybill");
    await mkdir(folder, { mode: 0o700 });
    await writeFile(join(folder, "old.logins"), logins("old", 1, ["nats://127.0.0.1:4222"]));
    await writeFile(join(folder, "new.logins"), logins("new", 2, ["nats://127.0.0.1:4222", "ws://127.0.0.1:9222"]));
    await writeFile(join(folder, "other.logins"), logins("other", 3, ["nats://127.0.0.1:5222"]));
    await writeFile(join(folder, "half.logins"), "{");
  });
  afterAll(() => rm(join(folder, ".."), { recursive: true, force: true }));

  const find = async (url: string, role?: "client" | "worker") => (await findLocalLogins([url], { role, folder }))?.()?.user;

  test("are those of the newest deployment that listens where it is asked for, whatever the scheme", async () => {
    expect(await find("nats://127.0.0.1:4222")).toBe("wb-client-new");
    expect(await find("ws://localhost:9222/")).toBe("wb-client-new");
    expect(await find("nats://127.0.0.1:5222")).toBe("wb-client-other");
    expect(await find("nats://127.0.0.1:5222", "worker")).toBe("wb-worker");
    expect(await find("nats://127.0.0.1:6222")).toBe(undefined);
  });

  test("are looked up at every dial", async () => {
    const ask = await findLocalLogins(["nats://127.0.0.1:7222"], { folder });
    expect(ask?.()).toBe(undefined);
    await writeFile(join(folder, "late.logins"), logins("late", 4, ["nats://127.0.0.1:7222"]));
    expect(ask?.()?.user).toBe("wb-client-late");
    await rm(join(folder, "late.logins"));
    expect(ask?.()).toBe(undefined);
  });

  test("are read from no folder that others can write to or look into, and from none that is not there", async () => {
    expect(readLogins(folder).map(({ deployment }) => deployment)).toEqual(["other", "new", "old"]);
    await chmod(folder, 0o750);
    expect(readLogins(folder)).toEqual([]);
    await chmod(folder, 0o700);
    expect(readLogins(join(folder, "nowhere"))).toEqual([]);
  });
});

describe("a user's own subjects", () => {
  test("are known of users called wb-… alone", () => {
    expect(ownerOf("wb-client-web")).toBe("wb-client-web");
    for (const user of ["edge", "wb-", "wb-a.b", "wb-*", undefined, () => "wb-client"]) expect(ownerOf(user)).toBe(undefined);
  });
});
