// The broker enforces permissions, whatever the runtime of who asks: Node runs it.
import { chmod, cp, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "bun:test";
import { Code, connect } from "../../mod.ts";
import { defineDeployment, startDeployment } from "../../src/deployment/mod.ts";
import { callApi } from "../../src/rpc/queue/jetstream-api.ts";
import { startProgram, until } from "../support/program.ts";
import { RawNats } from "../support/raw-nats.ts";
import { type GuardedWorld, withGuarded } from "./guarded.ts";
import {
  elsewhere,
  type Letter,
  PUBLISH,
  type Row,
  STORAGE,
  SUBSCRIBE,
  SUPERVISOR_STORAGE,
  USERS,
} from "./permissions-table.ts";
import { childrenOf, freePorts, ownPid, testOptions, untilGone, withFolder } from "./support.ts";

const letters = Object.keys(USERS) as Letter[];
const subjectsFor = (rows: readonly Row[], letter: Letter) =>
  rows.filter(([, who]) => who.includes(letter)).map(([subject]) => subject);

async function streamsOf(world: GuardedWorld): Promise<string[]> {
  const tool = await world.connectAs("supervisor");
  const { streams } = await callApi<{ streams: string[] }>(tool.bus, "STREAM.NAMES");
  return streams.sort();
}

describe("waybill clients", () => {
  test("lists who may call a deployment without a secret, and prints the URLs of the one that is named", async () => {
    await withGuarded(async ({ deployment, folder, logins }) => {
      // Where programs look; the test's deployment is listed elsewhere.
      await cp(join(folder, "state/t.logins"), join(folder, "waybill/t.logins"));
      await chmod(join(folder, "waybill"), 0o700);
      const env = { XDG_RUNTIME_DIR: folder };
      const run = async (...args: string[]) => {
        const program = startProgram("src/cli/main.ts", ["clients", ...args], { env });
        return { code: (await program.exited).code, output: program.output.trim() };
      };
      expect(await run()).toEqual({
        code: 0,
        output: [
          "t: wb-client, this user's own programs may call every operator",
          "t: web may call double, count",
          "t: quiet may call double",
        ].join("\n"),
      });
      expect(await run("web")).toEqual({ code: 0, output: deployment.clientUrls("web").join("\n") });
      expect((await run("wb-client", "--deployment", "t")).output).toContain(`:${logins.roles.client.password}@127.0.0.1:`);
      expect(await run("nobody")).toEqual({
        code: 1,
        output: 'Cannot print the URLs of the client "nobody": the clients are "wb-client", "web", "quiet"',
      });
    });
  });
});

describe("the users of a deployment's own broker", () => {
  test("may do what the table says, and nothing else", async () => {
    await withGuarded(async ({ raw }) => {
      const tried = [...PUBLISH, ...STORAGE].map(([subject]) => subject);
      const foreign = [...new Set([...PUBLISH, ...SUBSCRIBE].map(([subject]) => elsewhere(subject)))].filter((subject) =>
        subject.startsWith("wb.other.")
      );
      for (const letter of letters) {
        const user = await raw(letter);
        const publish = letter === "s" ? PUBLISH.map(([subject]) => subject) : tried;
        const rows = letter === "s" ? PUBLISH : [...PUBLISH, ...STORAGE];
        expect([letter, await user.permitted("publish", publish)]).toEqual([letter, subjectsFor(rows, letter)]);
        expect([letter, await user.permitted("subscribe", SUBSCRIBE.map(([subject]) => subject))]).toEqual([
          letter,
          subjectsFor(SUBSCRIBE, letter),
        ]);
        expect([letter, await user.permitted("publish", foreign)]).toEqual([letter, []]);
        expect([letter, await user.permitted("subscribe", foreign)]).toEqual([letter, []]);
        user.close();
      }
      const supervisor = await raw("s");
      expect(await supervisor.permitted("publish", SUPERVISOR_STORAGE)).toEqual(SUPERVISOR_STORAGE);
    });
  }, 60_000);

  test("cannot be clients and reach by the broker's answers what they may not publish to", async () => {
    await withGuarded(async (world) => {
      const before = await streamsOf(world);
      expect(before).toEqual(["KV_wb_t", "wb+t+dl", "wb+t+q+count", "wb+t+q+double", "wb+t+q+twice", "wb+t+t"]);
      const seen: string[] = [];
      const [supervisor, worker] = [await world.connectAs("supervisor"), await world.connectAs("worker")];
      supervisor.bus.subscribe("wb.t.ctl.>", ({ subject }) => seen.push(subject));
      supervisor.bus.subscribe("wb.t.r.wb-supervisor.>", ({ subject }) => seen.push(subject));
      worker.bus.subscribe("wb.t.s.twice.9", ({ subject }) => seen.push(subject));
      const victim = await world.raw("q");
      victim.subscribe("wb.t.r.wb-client-quiet.>");
      victim.subscribe("_INBOX_wb-client-quiet.>");
      await Promise.all([supervisor.bus.flush(), worker.bus.flush(), victim.sync()]);
      const targets = [
        ...before.flatMap((stream) => ["DELETE", "PURGE"].map((verb) => `$JS.API.STREAM.${verb}.${stream}`)),
        "$JS.API.CONSUMER.DELETE.wb+t+q+double.v1-p0",
        "$KV.wb_t.decl.double",
        "wb.t.ctl.scale",
        "wb.t.r.wb-supervisor.x.y",
        "wb.t.r.wb-client-quiet.x.y",
        "_INBOX_wb-client-quiet.x",
        "wb.t.s.twice.9",
        "$SYS.REQ.SERVER.PING",
      ];
      for (const letter of ["c", "w"] as const) {
        const attacker = await world.raw(letter);
        // What is answered by the broker is what it stores and what it reads out of storage; the others are tried all the same.
        const harmless = [
          "$JS.API.DIRECT.GET.KV_wb_t.$KV.wb_t.decl.double",
          "$JS.API.DIRECT.GET.KV_wb_t",
          "$JS.API.STREAM.INFO.KV_wb_t",
        ];
        for (const target of targets) {
          for (const subject of [...harmless, ...subjectsFor(PUBLISH, letter)]) {
            if (subject !== target) attacker.publish(subject, target);
          }
        }
        await attacker.sync();
      }
      await Promise.all([supervisor.bus.flush(), worker.bus.flush()]);
      // Answers are on their way for a moment; what is tried has an effect within it where the broker lets it.
      const { y } = await world.client.operator("double").infer({ x: Float32Array.of(4) }, { timeoutMs: 30_000 });
      expect((await y?.fetch())?.data[0]).toBe(8);
      expect(await streamsOf(world)).toEqual(before);
      expect(seen).toEqual([]);
      expect((await victim.sync()).match(/MSG/)).toBe(null);
      expect((await world.client.operators()).map(({ name }) => name)).toEqual(["count", "double", "twice"]);
    });
  }, 60_000);

  test("hear nothing of the answers to other clients", async () => {
    await withGuarded(async (world) => {
      const spy = await world.raw("w");
      for (const subject of SUBSCRIBE.map(([subject]) => subject)) spy.subscribe(subject);
      for (const subject of ["wb.t.r.wb-client.>", "wb.t.r.wb-client-quiet.>", "wb.t.r.>"]) spy.subscribe(subject, "group");
      await spy.sync();
      const other = await world.connectAs("quiet");
      for (const mode of ["queue", "direct"] as const) {
        await other.operator("double").infer({ x: Float32Array.of(1) }, { mode });
        await world.client.operator("double").infer({ x: Float32Array.of(1) }, { mode });
      }
      await other.operators();
      expect((await spy.sync()).match(/^H?MSG .*/m)).toBe(null);
    });
  });

  test("hear nothing of what readers ask a client for its tensors, if they are workers", async () => {
    await withGuarded(async (world) => {
      const [worker, client, supervisor] = [await world.raw("m"), await world.raw("c"), await world.raw("s")];
      for (const subject of ["wb.t.n.>", "wb.t.n.*"]) worker.subscribe(subject);
      client.subscribe("wb.t.n.wb-client.x");
      await Promise.all([worker.sync(), client.sync()]);
      supervisor.publish("wb.t.n.wb-client.x");
      supervisor.publish("wb.t.n.x");
      await supervisor.sync();
      expect((await worker.sync()).match(/^MSG \S+/gm)).toEqual(["MSG wb.t.n.x", "MSG wb.t.n.x"]);
      expect((await client.sync()).match(/^MSG \S+/gm)).toEqual(["MSG wb.t.n.wb-client.x"]);
    });
  });

  test("must say who they are, over TCP and websocket", async () => {
    await withGuarded(async ({ deployment, logins }) => {
      const [tcp = "", web = ""] = deployment.urls;
      const { user, password } = logins.roles.client;
      const wrong: Record<string, string>[] = [
        {},
        { user },
        { user, pass: "" },
        { user, pass: password.slice(1) },
        { user: "wb-supervisor", pass: password },
        { user: "wb-nobody", pass: password },
        { user: "", pass: "" },
        { auth_token: password },
        { user: "WAYBILL", pass: password },
        { user: "$SYS", pass: "" },
        { nkey: "UAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", sig: "" },
      ];
      for (const credentials of wrong) {
        await expect(RawNats.open(tcp, credentials)).rejects.toThrow(/Authorization Violation|Invalid|Authentication/i);
      }
      for (const url of [tcp, web]) {
        await expect(connect(url, { local: false })).rejects.toMatchObject({ code: Code.Unauthenticated });
        await expect(connect(url, { user, password: "wrong" })).rejects.toMatchObject({ code: Code.Unauthenticated });
        await expect(connect(url, { token: password })).rejects.toMatchObject({ code: Code.Unauthenticated });
        const client = await connect(url, { namespace: "t", user, password });
        expect(client.caller.id).toMatch(/^wb-client\.[0-9a-f]{32}$/);
        await client.close();
      }
    });
  });

  test("listen on the loopback address, and are told to nobody else", async () => {
    await withGuarded(async ({ deployment, folder, events, logins }) => {
      const { broker } = deployment.status();
      const state = join(folder, "state");
      const config = (await readFile(`/proc/${broker?.pid}/cmdline`, "utf8")).split("\0").find((arg) =>
        arg.endsWith(".json")
      ) ?? "";
      const loginsFile = join(state, (await readdir(state)).find((name) => name.endsWith(".logins")) ?? "");
      for (const file of [config, loginsFile]) expect((await stat(file)).mode & 0o777).toBe(0o600);
      for (const dir of [dirname(config), state]) expect((await stat(dir)).mode & 0o777).toBe(0o700);
      const text = await readFile(config, "utf8");
      expect(text.match(/"(listen|http)": "(?!127\.0\.0\.1:)/g)).toBe(null);
      const passwords = [...text.matchAll(/"password": "([^"]+)"/g)].map(([, password = ""]) => password);
      expect(new Set(passwords).size).toBe(8);
      expect(passwords).toContain(logins.roles.client.password);
      const logs = await Promise.all(
        (await readdir(join(folder, "logs"))).map((name) => readFile(join(folder, "logs", name), "utf8")),
      );
      const monitored = await Promise.all(
        ["varz", "connz?auth=1&subs=1", "accountz?acc=WAYBILL", "jsz?config=1"].map(async (page) => {
          return await (await fetch(`${broker?.monitorUrl}/${page}`)).text();
        }),
      );
      const family = [ownPid, ...deployment.workers.map(({ pid }) => pid ?? 0), broker?.pid ?? 0];
      const commands = (await Promise.all(family.map(childrenOf))).flat().map(({ command }) => command);
      const told = JSON.stringify([deployment.status(), events, logs, monitored, commands]);
      for (const password of passwords) expect(told.includes(password)).toBe(false);
      await deployment.stop();
      await untilGone([broker?.pid ?? 0]);
      for (const file of [config, loginsFile]) await expect(stat(file)).rejects.toThrow("ENOENT");
    });
  });

  test("are found by local programs before and after the deployment is started anew, with other passwords", async () => {
    await withFolder(async (folder) => {
      const port = await freePorts(2);
      const stateDir = join(folder, "waybill");
      const definition = defineDeployment(testOptions(folder, { broker: { port, websocketPort: port + 1 } }));
      const local = { folder: stateDir };
      // It waits for a broker that is not there yet, and is not refused by one that is about to be.
      const early = connect(`ws://127.0.0.1:${port + 1}`, { local, waitOnFirstConnectMs: 30_000, reconnectWaitMs: 5 });
      const first = await startDeployment(definition, { stateDir });
      const client = await early;
      const double = async () => {
        const { y } = await client.operator("double").infer({ x: Float32Array.of(3) }, { timeoutMs: 30_000 });
        return (await y?.fetch())?.data[0];
      };
      expect(await double()).toBe(6);
      const before = first.clientUrls();
      await first.stop();
      const second = await startDeployment(definition, { stateDir });
      try {
        await until("it is back", () => client.bus.connected, 20_000);
        expect(await double()).toBe(6);
        expect(second.clientUrls()).not.toEqual(before);
        await expect(connect(before)).rejects.toMatchObject({ code: Code.Unauthenticated });
      } finally {
        await client.close();
        await second.stop();
      }
    });
  }, 60_000);
});
