import { join } from "node:path";
import { DEFAULT_TCP_URL, DEFAULT_WS_URL } from "../../bus/defaults.ts";

/** What one user may do, in subjects with NATS wildcards. */
export interface BrokerPermissions {
  /** Subjects to publish to. Default: all. */
  publish?: readonly string[];
  /** Subjects to subscribe to. Default: all. */
  subscribe?: readonly string[];
  /** Subjects never to publish to. */
  denyPublish?: readonly string[];
  /** Subjects never to subscribe to. */
  denySubscribe?: readonly string[];
}

/** Someone who may connect. */
export interface BrokerUser {
  /** User name. */
  user: string;
  /** Password. */
  password: string;
  /** What they may do. Default: everything. */
  permissions?: BrokerPermissions;
}

/** Users who see each other's messages, and those of other accounts as far as both sides allow it. */
export interface BrokerAccount {
  /** Its name. */
  name: string;
  /** Whether it has storage (JetStream). Default `false`. */
  stores?: boolean;
  /** Who is in it. */
  users: readonly BrokerUser[];
  /** What one other account may listen to (`stream`), or ask here (`service`). */
  exports?: readonly (
    | { stream: string; to: string }
    | { service: string; answers: "one" | "many"; to: string }
  )[];
  /** What of another account is heard here (`stream`), or asked from here (`service`). */
  imports?: readonly ({ stream: string; from: string } | { service: string; from: string })[];
}

/** What a broker of ours is set to. */
export interface BrokerConfig {
  /** Address to listen on. Default `"127.0.0.1"`, which no other machine reaches. */
  host?: string;
  /** TCP port, 0 for a free one. Default 0. */
  port?: number;
  /** Websocket port, 0 for a free one, `false` for no websocket. Default 0. */
  websocketPort?: number | false;
  /** Port of the monitoring pages, 0 for a free one. Default 0. */
  monitorPort?: number;
  /**
   * Web pages that may connect, such as `"https://app.example.com"`; `"*"` lets any. Clients other than browsers send no origin
   * and are not asked. Without it a page on the same machine could reach a broker that only listens on the loopback address.
   * Default: pages from the broker's own address alone, which serves none.
   */
  allowedOrigins?: readonly string[];
  /** Whether the broker stores messages. Default `true`. */
  jetstream?: boolean;
  /**
   * Memory that stored messages may take. The broker counts what queues may come to hold, 64 MiB each by default, and refuses
   * an operator's queue that does not fit; it allocates what is there. Default 4 GiB: some 60 operators.
   */
  maxMemoryBytes?: number;
  /** Disk that stored messages may take. Default 4 GiB. */
  maxFileBytes?: number;
  /** Largest message. Default 1 MiB, NATS's own. */
  maxPayloadBytes?: number;
  /** Users that may connect. Default: everyone may. */
  users?: readonly BrokerUser[];
  /** Accounts with their users. Not beside `users`. Default: one for everybody. */
  accounts?: readonly BrokerAccount[];
  /** One token that lets connect. Not beside `users` and `accounts`. */
  token?: string;
  /** Anything else that nats-server takes in its configuration, at the top level; wins over the rest. */
  extra?: Readonly<Record<string, unknown>>;
}

/** The ports of the default URLs. */
export const defaultBrokerPorts: { readonly tcp: number; readonly websocket: number } = {
  tcp: Number(new URL(DEFAULT_TCP_URL).port),
  websocket: Number(new URL(DEFAULT_WS_URL).port),
};

/** nats-server means "any free port" by -1, everyone else by 0. */
function address(host: string, port: number | undefined): string {
  return `${host}:${port === undefined || port === 0 ? -1 : port}`;
}

function permissions(rules: BrokerPermissions): Record<string, unknown> {
  return {
    publish: { allow: rules.publish ?? [">"], deny: rules.denyPublish ?? [] },
    subscribe: { allow: rules.subscribe ?? [">"], deny: rules.denySubscribe ?? [] },
  };
}

function websocket(host: string, port: number | undefined, origins: readonly string[]): Record<string, unknown> {
  const anyOrigin = origins.includes("*");
  return {
    listen: address(host, port),
    no_tls: true,
    // Costs more time than it saves on tensors, and loopback needs no saving.
    compression: false,
    // An empty list would mean "any".
    ...(anyOrigin ? {} : origins.length > 0 ? { allowed_origins: origins } : { same_origin: true }),
  };
}

function userOf({ user, password, permissions: rules }: BrokerUser): Record<string, unknown> {
  return { user, password, ...(rules === undefined ? {} : { permissions: permissions(rules) }) };
}

/** Several accounts may be given the same subject: nats-server wants one export with a list of them. */
function exportsOf(given: NonNullable<BrokerAccount["exports"]>): Record<string, unknown>[] {
  const byText = new Map<string, { accounts: string[] }>();
  for (const { to, ...rest } of given) {
    const entry = "stream" in rest
      ? rest
      : { service: rest.service, response_type: rest.answers === "one" ? "singleton" : "stream" };
    const found = byText.get(JSON.stringify(entry));
    if (found === undefined) byText.set(JSON.stringify(entry), { ...entry, accounts: [to] });
    else found.accounts.push(to);
  }
  return [...byText.values()];
}

function accountOf({ stores = false, users, exports: given = [], imports = [] }: BrokerAccount): Record<string, unknown> {
  return {
    ...(stores ? { jetstream: "enabled" } : {}),
    users: users.map(userOf),
    exports: exportsOf(given),
    imports: imports.map((one) =>
      "stream" in one
        ? { stream: { account: one.from, subject: one.stream } }
        : { service: { account: one.from, subject: one.service } }
    ),
  };
}

/** nats-server's configuration, with all its files in `folder`. JSON is a part of the language that it reads. */
export function serverConfig(config: BrokerConfig, folder: string): string {
  const { host = "127.0.0.1", websocketPort, jetstream = true, users, accounts, token } = config;
  return JSON.stringify(
    {
      listen: address(host, config.port),
      http: address("127.0.0.1", config.monitorPort),
      ...(websocketPort === false ? {} : { websocket: websocket(host, websocketPort, config.allowedOrigins ?? []) }),
      ...(jetstream
        ? {
          jetstream: {
            store_dir: join(folder, "jetstream"),
            max_mem: config.maxMemoryBytes ?? 4 * 2 ** 30,
            max_file: config.maxFileBytes ?? 4 * 2 ** 30,
          },
        }
        : {}),
      ...(config.maxPayloadBytes === undefined ? {} : { max_payload: config.maxPayloadBytes }),
      ...(users === undefined ? {} : {
        authorization: {
          users: users.map(userOf),
        },
      }),
      ...(accounts === undefined
        ? {}
        : { accounts: Object.fromEntries(accounts.map((account) => [account.name, accountOf(account)])) }),
      ...(token === undefined ? {} : { authorization: { token } }),
      ports_file_dir: folder,
      ...config.extra,
    },
    undefined,
    2,
  );
}
