import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "./errors.ts";

/** A broker's address, taken apart. */
export interface BrokerUrl {
  /** Which client carries it. */
  readonly kind: "websocket" | "tcp";
  /** Whether the scheme demands encryption. */
  readonly secure: boolean;
  /** The address for the client, without credentials. */
  readonly address: string;
  /** Credentials in the URL; a user alone is a token, as everywhere with NATS. */
  readonly user: string;
  /** The password in the URL. */
  readonly password: string;
}

const loopback = /^[a-z]+:\/\/(127\.0\.0\.1|localhost|\[::1\]):/;

const schemes: ReadonlyMap<string, Pick<BrokerUrl, "kind" | "secure">> = new Map([
  ["ws:", { kind: "websocket", secure: false }],
  ["wss:", { kind: "websocket", secure: true }],
  ["nats:", { kind: "tcp", secure: false }],
  ["tls:", { kind: "tcp", secure: true }],
]);

/**
 * Takes the addresses of brokers apart.
 *
 * @throws {ConnectError} `invalid_argument` for an empty list, an unknown scheme, or a URL without a port
 */
export function parseBrokerUrls(urls: string | readonly string[]): BrokerUrl[] {
  const list = typeof urls === "string" ? [urls] : urls;
  if (list.length === 0) throw urlError("at least one URL is needed, got none");
  return list.map((text, index) => parse(text, typeof urls === "string" ? "the URL" : `urls[${index}]`));
}

function parse(text: string, which: string): BrokerUrl {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*:)\/\/(.*)$/i.exec(text) ?? [];
  const known = schemes.get(scheme.toLowerCase());
  if (known === undefined) {
    throw urlError(`${which} needs the scheme ws://, wss://, nats:// or tls://, got "${redactUrl(text)}"`);
  }
  const port = /:(\d+)$/.exec(rest.replace(/[/?#].*$/s, ""))?.[1];
  if (port === undefined) {
    throw urlError(`${which} needs an explicit port, such as ${example(known.kind)}, got "${redactUrl(text)}"`);
  }
  try {
    // As http, because runtimes disagree about hosts in schemes that they do not know.
    const url = new URL(`http://${rest}`);
    const path = known.kind === "websocket" ? `${url.pathname}${url.search}` : "";
    const address = `${scheme.toLowerCase()}//${url.hostname}:${port}${path}`;
    return { ...known, address, user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
  } catch {
    throw urlError(`${which} needs a host and a port, got "${redactUrl(text)}"`);
  }
}

/** Whether the broker is on this machine. */
export function isLoopback({ address }: BrokerUrl): boolean {
  return loopback.test(address);
}

/** The URL without what may be secret in it: credentials and the query. */
export function redactUrl(url: string): string {
  return url.replace(/\/\/[^/?#]*@/, "//***@").replace(/\?.*$/, "?***");
}

/** What a runtime said of a failed dial, without the query of the URL that some of them quote (Bun 1.4). */
export function withoutQuery(error: unknown, url: BrokerUrl): unknown {
  const query = url.address.replace(/^[^?]*/, "");
  const reason = reasonOf(error);
  if (query === "" || !reason.includes(query)) return error;
  return Object.assign(new Error(reason.replaceAll(query, "?***")), { code: (error as { code?: unknown }).code });
}

function example(kind: BrokerUrl["kind"]): string {
  return kind === "websocket" ? "wss://broker.example:443" : "nats://broker.example:4222";
}

function urlError(rule: string): ConnectError {
  return new ConnectError(`Cannot connect to the broker: ${rule}`, Code.InvalidArgument);
}
