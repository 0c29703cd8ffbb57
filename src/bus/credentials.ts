import { Code, ConnectError } from "@connectrpc/connect";
import { type BusOptions, refresh } from "./options.ts";
import type { BrokerUrl } from "./urls.ts";

/** What a client sends to identify itself. */
export type Identity =
  | void
  | { auth_token: string }
  | { user: string; pass?: string }
  | { nkey: string; sig: string }
  | { jwt: string; nkey?: string; sig?: string };

/** Answers the broker's challenge; asked at every dial. */
export type Authenticator = (nonce?: string) => Identity;

/** What a client's package makes authenticators with. */
export interface AuthenticatorMakers {
  /** Signs the challenge with a seed. */
  nkeyAuthenticator(seed: Uint8Array): Authenticator;
  /** Shows a JWT and signs the challenge with its seed. */
  jwtAuthenticator(jwt: string, seed?: Uint8Array): Authenticator;
  /** Reads both out of a creds file. */
  credsAuthenticator(creds: Uint8Array): Authenticator;
}

const encoder = new TextEncoder();

/** Who to be at a broker. */
export interface Login {
  /** The user's name. */
  readonly user: string;
  /** The user's password. */
  readonly password: string;
}

/** Whether options or URLs say who to be. */
export function hasCredentials(options: BusOptions, urls: readonly BrokerUrl[]): boolean {
  return Object.keys(given(options)).length > 0 || urls.some(({ user }) => user !== "");
}

/**
 * The one way of authentication that the options and URLs give.
 *
 * @param local asked at every dial where they give none
 * @throws {ConnectError} `invalid_argument` when they give several, or half of one
 */
export function readCredentials(
  options: BusOptions,
  urls: readonly BrokerUrl[],
  local?: () => Login | undefined,
): (makers: AuthenticatorMakers) => Authenticator {
  const { token, user, password, nkeySeed, jwt, credentials } = { ...fromUrls(urls, options), ...given(options) };
  const ways = Object.entries({ token, user, jwt, credentials, nkeySeed: jwt === undefined ? nkeySeed : undefined })
    .filter(([, value]) => value !== undefined).map(([name]) => name);
  if (ways.length > 1) throw optionError(`one way of authentication is wanted, got ${ways.join(" and ")}`);
  if (password !== undefined && user === undefined) throw optionError("password needs user beside it");
  return (makers) => (nonce) => {
    if (token !== undefined) return { auth_token: refresh(token) };
    if (user !== undefined) return { user: refresh(user), pass: password === undefined ? "" : refresh(password) };
    if (credentials !== undefined) {
      const text = encoder.encode(refresh(credentials));
      return sign("credentials needs the text of a .creds file", () => makers.credsAuthenticator(text)(nonce));
    }
    const login = local?.();
    if (login !== undefined) return { user: login.user, pass: login.password };
    const seed = nkeySeed === undefined ? undefined : encoder.encode(refresh(nkeySeed));
    const jwtText = jwt === undefined ? undefined : refresh(jwt);
    return sign("nkeySeed needs the seed of a user's nkey", () => {
      if (jwtText !== undefined) return makers.jwtAuthenticator(jwtText, seed)(nonce);
      return seed === undefined ? undefined : makers.nkeyAuthenticator(seed)(nonce);
    });
  };
}

/** The client's own words about a seed that is none quote from it. */
function sign(rule: string, run: () => Identity): Identity {
  try {
    return run();
  } catch {
    throw new ConnectError(`Cannot authenticate to the broker: ${rule}, got something else`, Code.Unauthenticated);
  }
}

type Credentials = Pick<BusOptions, "token" | "user" | "password" | "nkeySeed" | "jwt" | "credentials">;

function given({ token, user, password, nkeySeed, jwt, credentials }: BusOptions): Credentials {
  const all: Credentials = { token, user, password, nkeySeed, jwt, credentials };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function fromUrls(urls: readonly BrokerUrl[], options: BusOptions): Credentials {
  const [first, ...others] = urls.filter((url) => url.user !== "");
  if (first === undefined) return {};
  if (Object.keys(given(options)).length > 0) {
    throw optionError("credentials are wanted in the URL or in the options, got both");
  }
  if (others.some((url) => url.user !== first.user || url.password !== first.password)) {
    throw optionError("all URLs need the same credentials, got several");
  }
  return first.password === "" ? { token: first.user } : { user: first.user, password: first.password };
}

function optionError(rule: string): ConnectError {
  return new ConnectError(`Cannot connect to the broker: ${rule}`, Code.InvalidArgument);
}
