import { randomBytes } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import type { Login } from "../../bus/credentials.ts";
import type { LocalLogins } from "../../bus/local-login-node.ts";
import type { ComponentPlan, WorkerPlan } from "../component-plan.ts";
import type { DeploymentClient } from "../definition-broker.ts";
import { sidecarName, SIDECARS } from "../sidecar-plan.ts";

/** Workers that may serve some operators; `undefined` stands for all. */
export interface WorkerGrant {
  readonly login: Login;
  readonly operators: readonly string[] | undefined;
}

/** The sidecar of a node. */
export interface SidecarGrant {
  readonly login: Login;
  readonly node: string;
}

/** A client that may call some operators; `undefined` stands for all. */
export interface ClientGrant extends WorkerGrant {
  /** Whether it may publish events of its own, and hear all. */
  readonly events: boolean;
}

/** The name of the client that local programs are. */
const LOCAL_CLIENT = "wb-client";

/**
 * Everybody who may connect to a deployment's own broker, with passwords that are new at every start. They are told to the workers in
 * their environment, and to this user's programs in a file that nobody else can read; they stand in no log, message or command line.
 */
export class DeploymentLogins {
  readonly supervisor: Login = newLogin("wb-supervisor");
  /** Workers that are started by hand, or serve what the deployment did not say. */
  readonly worker: WorkerGrant = { login: newLogin("wb-worker"), operators: undefined };
  /** This user's own programs. */
  readonly local: ClientGrant = { login: newLogin(LOCAL_CLIENT), operators: undefined, events: true };
  /** Those of the nodes. */
  readonly sidecars: readonly SidecarGrant[];
  readonly #components: ReadonlyMap<string, WorkerGrant>;
  readonly #clients: ReadonlyMap<string, ClientGrant>;

  constructor(
    components: Iterable<ComponentPlan>,
    clients: Readonly<Record<string, DeploymentClient>>,
    nodes: readonly string[] = [],
  ) {
    this.sidecars = nodes.map((node) => ({ node, login: newLogin(`wb-sidecar-${node}`) }));
    this.#components = new Map(
      Array.from(components, ({ name, operators }) => [name, { login: newLogin(`wb-worker-${name}`), operators }]),
    );
    this.#clients = new Map(
      Object.entries(clients).map(([name, { operators, events = false, password }]) => {
        return [name, { login: newLogin(`${LOCAL_CLIENT}-${name}`, password), operators, events }];
      }),
    );
  }

  /** This user's own programs, then the clients that the deployment names. */
  get clients(): ClientGrant[] {
    return [this.local, ...this.#clients.values()];
  }

  /** Workers that are started by hand, then those of the components. */
  get workers(): WorkerGrant[] {
    return [this.worker, ...this.#components.values()];
  }

  /** A named client; `undefined` where there is none of that name. */
  client(name: string): ClientGrant | undefined {
    return this.#clients.get(name);
  }

  /** Who a worker is, by its component. One that came later, or serves more than it did, gets the rights of a worker started by hand. */
  ofWorker({ component, operators, name }: WorkerPlan): Login {
    if (component === SIDECARS) {
      const sidecar = this.sidecars.find(({ node }) => sidecarName(node) === name);
      if (sidecar !== undefined) return sidecar.login;
    }
    const grant = this.#components.get(component);
    const covers = grant?.operators === undefined || operators?.every((operator) => grant.operators?.includes(operator));
    return grant !== undefined && covers === true ? grant.login : this.worker.login;
  }

  /** Tells this user's programs. Whoever reads the file sees the old one or the new one whole. */
  async tell(file: string, facts: Pick<LocalLogins, "deployment" | "startedAtMs" | "urls">): Promise<void> {
    const logins: LocalLogins = {
      ...facts,
      roles: { client: this.local.login, worker: this.worker.login, supervisor: this.supervisor },
      clients: Object.fromEntries(
        [...this.#clients].map(([name, { login, operators = [] }]) => [name, { ...login, operators }]),
      ),
    };
    await writeFile(`${file}-new`, JSON.stringify(logins), { mode: 0o600 });
    await rename(`${file}-new`, file);
  }
}

/** A URL that holds who to be. A secret: it is shown to whoever asks for it, and to nobody else. */
export function withLogin(url: string, { user, password }: Login): string {
  return url.replace("//", `//${encodeURIComponent(user)}:${encodeURIComponent(password)}@`);
}

function newLogin(user: string, password: string = randomBytes(24).toString("base64url")): Login {
  return { user, password };
}
