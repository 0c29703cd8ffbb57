import { type LocalLogins, readLogins, stateFolder } from "../../bus/local-login-node.ts";
import { withLogin } from "../access/logins.ts";

/** Someone who may connect to a running deployment's broker as a client. */
export interface RunningClient {
  /** The deployment, as `waybill ps` calls it. */
  readonly deployment: string;
  /** Its user at the broker. */
  readonly user: string;
  /** What the deployment file calls it; `undefined` for this user's own programs. */
  readonly name: string | undefined;
  /** The operators that it may call; `undefined` for all. */
  readonly operators: readonly string[] | undefined;
  /** Where it connects, with its password in them: secrets. TCP before websocket. */
  readonly urls: readonly string[];
}

function clientsOf({ deployment, urls, roles, clients }: LocalLogins): RunningClient[] {
  const own = { deployment, user: roles.client.user, name: undefined, operators: undefined };
  return [
    { ...own, urls: urls.map((url) => withLogin(url, roles.client)) },
    ...Object.entries(clients).map(([name, { operators, ...login }]) => {
      return { deployment, user: login.user, name, operators, urls: urls.map((url) => withLogin(url, login)) };
    }),
  ];
}

/**
 * The clients of this user's deployments that run on this machine, with their passwords.
 *
 * @param folder where deployments are listed. Default: this user's folder
 */
export function clientsOfRunning(folder: string = stateFolder()): RunningClient[] {
  return readLogins(folder).flatMap(clientsOf);
}
