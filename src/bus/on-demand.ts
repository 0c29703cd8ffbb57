import type { Dialler } from "./dial.ts";
import type { Login } from "./credentials.ts";
import type { BusOptions, LocalLogin } from "./options.ts";

// What not every connection needs is loaded when one does: a client that is not used costs no time, and does not warn.

/** Loads what dials websockets. */
export async function loadWebSocket(options: BusOptions): Promise<Dialler> {
  return (await import("./websocket.ts")).webSocketDialler(options);
}

/** Loads what dials TCP. */
export async function loadTcp(options: BusOptions, secure: boolean): Promise<Dialler> {
  return (await import("./tcp-node.ts")).tcpDialler(options, secure);
}

/** Loads what knows the logins of this machine's brokers, and asks it for those of some addresses. */
export async function findLocalLogins(
  addresses: readonly string[],
  local: LocalLogin,
): Promise<(() => Login | undefined) | undefined> {
  return await (await import("./local-login-node.ts")).findLocalLogins(addresses, local);
}
