import { inboxPrefixOf } from "../../bus/owner.ts";
import type { BrokerAccount } from "../broker/server-config.ts";
import type { ClientGrant, DeploymentLogins } from "./logins.ts";
import { type ClientRights, clientRights, sidecarRights, supervisorRights, workerRights } from "./rights.ts";

const DEPLOYMENT = "WAYBILL";

/**
 * A deployment's users as the broker is told them: workers and supervisor in the account that has the storage, each client in an
 * account of its own, joined to the first by what the client may do and nothing else. One account would not do: whoever may store a
 * message names the subject that the broker's confirmation goes to, and what the broker publishes for it obeys nobody's permissions.
 * Named `$JS.API.STREAM.DELETE.…`, it deletes a queue. In an account without storage such a subject leads nowhere.
 */
export function brokerAccounts(namespace: string, logins: DeploymentLogins): BrokerAccount[] {
  const { supervisor, workers, sidecars } = logins;
  const readers = [...workers, ...sidecars].map(({ login }) => login.user);
  const clients = logins.clients.map((grant) => ({
    grant,
    account: grant.login.user,
    rights: rightsOf(namespace, grant, readers),
  }));
  const deployment: BrokerAccount = {
    name: DEPLOYMENT,
    stores: true,
    users: [
      { ...supervisor, permissions: supervisorRights({ namespace, user: supervisor.user, operators: undefined }) },
      ...workers.map(({ login, operators }) => {
        return { ...login, permissions: workerRights({ namespace, user: login.user, operators }) };
      }),
      ...sidecars.map(({ login, node }) => ({ ...login, permissions: sidecarRights({ namespace, user: login.user, node }) })),
    ],
    exports: clients.flatMap(({ account, rights }) => [
      ...rights.asks.map(({ subject, answers }) => ({ service: subject, answers, to: account })),
      ...rights.hears.map((stream) => ({ stream, to: account })),
    ]),
    imports: clients.flatMap(({ account, rights }) => rights.sends.map((stream) => ({ stream, from: account }))),
  };
  return [deployment, ...clients.map(({ grant, account, rights }) => clientAccount(account, grant, rights))];
}

function rightsOf(namespace: string, { login, operators, events }: ClientGrant, readers: readonly string[]): ClientRights {
  return clientRights({ namespace, user: login.user, operators, events, readers });
}

function clientAccount(name: string, { login }: ClientGrant, { sends, asks, hears }: ClientRights): BrokerAccount {
  return {
    name,
    users: [{
      ...login,
      permissions: {
        publish: [...sends, ...asks.map(({ subject }) => subject)],
        subscribe: [...hears, `${inboxPrefixOf(login.user)}.>`],
      },
    }],
    exports: sends.map((stream) => ({ stream, to: DEPLOYMENT })),
    imports: [
      ...asks.map(({ subject }) => ({ service: subject, from: DEPLOYMENT })),
      ...hears.map((stream) => ({ stream, from: DEPLOYMENT })),
    ],
  };
}
