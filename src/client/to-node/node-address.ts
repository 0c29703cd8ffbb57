import { Code, ConnectError } from "@connectrpc/connect";
import { redactUrl } from "../../bus/urls.ts";
import { socketPathOf } from "../../data/node-socket.ts";

/** Where a node listens. */
export interface NodeAddress {
  /** As messages show it: without secrets. */
  readonly shown: string;
  /** What requests begin with: scheme, host, port and path, without a slash at the end. */
  readonly baseUrl: string;
  /** The path of a Unix socket; requests then go there, whatever host stands in the URL. */
  readonly socketPath: string | undefined;
  /** A token that stands in the URL. */
  readonly token: string | undefined;
}

/**
 * Takes a node's URL apart.
 *
 * @throws {ConnectError} `invalid_argument` for one that cannot work
 */
export function parseNodeUrl(text: string): NodeAddress {
  const shown = redactUrl(text);
  if (/^unix:/i.test(text)) {
    const socketPath = socketPathOf("Cannot connect to a node", text);
    return { shown, baseUrl: "http://localhost", socketPath, token: undefined };
  }
  try {
    const { protocol, host, pathname, username, password } = new URL(text);
    // As everywhere with tokens: a user without a password is one.
    const token = decodeURIComponent(password || username) || undefined;
    return { shown, baseUrl: `${protocol}//${host}${pathname.replace(/\/+$/, "")}`, socketPath: undefined, token };
  } catch {
    throw wrong(`the URL needs a host, such as https://node.example:7443, got "${shown}"`);
  }
}

function wrong(rule: string): ConnectError {
  return new ConnectError(`Cannot connect to a node: ${rule}`, Code.InvalidArgument);
}
