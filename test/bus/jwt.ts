import { nkeys } from "nats";

/** What a broker needs to know of an operator, and what a user of one of its accounts shows. */
export interface JwtUser {
  /** Configuration of the broker. */
  readonly extra: Record<string, unknown>;
  /** The user's JWT. */
  readonly jwt: string;
  /** The user's seed. */
  readonly seed: string;
  /** Both, as a creds file. */
  readonly creds: string;
  /** Another JWT of the same user. */
  issue(lifetimeSeconds: number): string;
}

type Pair = ReturnType<typeof nkeys.createUser>;

/** Makes an operator with one account and one user. */
export function makeJwtUser(): JwtUser {
  const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()];
  const unlimited = { subs: -1, data: -1, payload: -1 };
  const accountLimits = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const operatorJwt = sign(operator, operator, "operator", { version: 2 });
  const accountJwt = sign(operator, account, "account", { limits: accountLimits, version: 2 });
  const jwt = sign(account, user, "user", { ...unlimited, version: 2 });
  const issue = (lifetimeSeconds: number) => sign(account, user, "user", { ...unlimited, version: 2 }, lifetimeSeconds);
  const seed = new TextDecoder().decode(user.getSeed());
  return {
    extra: {
      operator: operatorJwt,
      resolver: "MEMORY",
      resolver_preload: { [account.getPublicKey()]: accountJwt },
    },
    jwt,
    seed,
    issue,
    creds: [
      "-----BEGIN NATS USER JWT-----",
      jwt,
      "------END NATS USER JWT------",
      "",
      "-----BEGIN USER NKEY SEED-----",
      seed,
      "------END USER NKEY SEED------",
      "",
    ].join("\n"),
  };
}

function sign(issuer: Pair, subject: Pair, type: string, claims: Record<string, unknown>, lifetimeSeconds?: number): string {
  const now = Math.floor(Date.now() / 1000);
  const encode = (value: object) => base64Url(new TextEncoder().encode(JSON.stringify(value)));
  const body = [
    encode({ typ: "JWT", alg: "ed25519-nkey" }),
    encode({
      jti: crypto.randomUUID(),
      iat: now,
      ...(lifetimeSeconds === undefined ? {} : { exp: now + lifetimeSeconds }),
      iss: issuer.getPublicKey(),
      name: type,
      sub: subject.getPublicKey(),
      nats: { ...claims, type },
    }),
  ].join(".");
  return `${body}.${base64Url(issuer.sign(new TextEncoder().encode(body)))}`;
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
