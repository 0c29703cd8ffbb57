import { join } from "node:path";
import { connect, type ConnectOptions } from "../../mod.ts";
import type { Client } from "../../src/client/client.ts";
import { type LocalLogins, readLogins } from "../../src/bus/local-login-node.ts";
import { RawNats } from "../support/raw-nats.ts";
import { fixture, withDeployment, type World } from "./support.ts";
import { type Letter, USERS } from "./permissions-table.ts";

/** A deployment with all kinds of users, and ways to be each of them. */
export interface GuardedWorld extends World {
  readonly logins: LocalLogins;
  /** Connects as a client of the deployment file, or as one of this user's programs. */
  connectAs(who: "client" | "worker" | "supervisor" | "web" | "quiet", options?: ConnectOptions): Promise<Client>;
  /** Connects past our own client. */
  raw(letter: Letter): Promise<RawNats>;
}

/** Starts a deployment whose component `math` serves `double` and whose other component serves the rest. */
export function withGuarded(use: (world: GuardedWorld) => Promise<void>): Promise<void> {
  const file = fixture("guarded.ts");
  const workers = [
    { name: "math", file, operators: ["double"], sidecar: false },
    { name: "rest", file, operators: ["count", "twice"], sidecar: false },
  ] as const;
  const clients = { web: { operators: ["double", "count"] }, quiet: { operators: ["double"] } };
  return withDeployment(
    { namespace: "t", workers, clients, sidecars: { x: { budgetBytes: 2 ** 20, ucx: false, sharedMemory: false } } },
    async (world) => {
      const { deployment, folder } = world;
      const stateDir = join(folder, "state");
      const [logins] = readLogins(stateDir);
      if (logins === undefined) throw new Error("The deployment must tell its logins");
      const open: { close(): unknown }[] = [];
      const url = deployment.urls[0] ?? "";
      const config = await brokerUsers(deployment.status().broker?.pid ?? 0);
      try {
        await use({
          ...world,
          logins,
          async connectAs(who, options) {
            const own = who === "web" || who === "quiet"
              ? await connect(deployment.clientUrls(who), { namespace: "t", ...options })
              : await connect(url, { namespace: "t", local: { role: who, folder: stateDir }, ...options });
            open.push(own);
            return own;
          },
          async raw(letter) {
            const user = USERS[letter];
            const raw = await RawNats.open(url, { user, pass: config.get(user) ?? "" });
            open.push(raw);
            return raw;
          },
        });
      } finally {
        for (const one of open) await one.close();
      }
    },
    {},
    { namespace: "t" },
  );
}

/** Everybody's password, from where the broker has them: of a component's own user nobody else is told. */
async function brokerUsers(pid: number): Promise<Map<string, string>> {
  const { readFile } = await import("node:fs/promises");
  const file = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0").find((arg) => arg.endsWith("nats-server.json")) ??
    "";
  const { accounts } = JSON.parse(await readFile(file, "utf8")) as {
    accounts: Record<string, { users: { user: string; password: string }[] }>;
  };
  return new Map(Object.values(accounts).flatMap(({ users }) => users.map(({ user, password }) => [user, password])));
}
