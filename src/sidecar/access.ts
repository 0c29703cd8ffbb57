import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import { Code, ConnectError, type ContextKey, createContextKey } from "@connectrpc/connect";
import { invalidArgument } from "../tensor/errors.ts";
import type { NodeSecret } from "./secret.ts";

/** Fewer characters than this can be guessed. */
const MIN_TOKEN_CHARACTERS = 16;

/**
 * Who asks, each with the rights of the ones before it: `anyone` may do what the capability of a tensor says, `trusted` (with a
 * token) puts and lists tensors too, `local` (with the secret of this start) attaches as a worker.
 */
export type Standing = "anyone" | "trusted" | "local";

const ORDER: readonly Standing[] = ["anyone", "trusted", "local"];

/** Where an HTTP request's standing is found in Connect's context. */
export const standingKey: ContextKey<Standing> = createContextKey<Standing>("anyone", {
  description: "who asks the node service",
});

/** Tells who asks by the bearer token. */
export class Access {
  readonly #secret: NodeSecret;
  readonly #tokens: readonly Uint8Array[];

  /**
   * Takes tokens of callers that are trusted.
   *
   * @throws {ConnectError} `invalid_argument` for one that is too short
   */
  constructor(secret: NodeSecret, tokens: readonly string[]) {
    this.#secret = secret;
    if (tokens.some((token) => token.length < MIN_TOKEN_CHARACTERS)) {
      const wanted = `each of tokens must have at least ${MIN_TOKEN_CHARACTERS} characters`;
      throw invalidArgument(`Cannot start a sidecar: ${wanted}, got fewer`);
    }
    this.#tokens = tokens.map((token) => Buffer.from(token));
  }

  /** Who sends this header; nobody in particular where it is absent or wrong. */
  standingOf(authorization: string | undefined): Standing {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    return token === undefined ? "anyone" : this.standingWith(token);
  }

  /** Who has this token. */
  standingWith(token: string): Standing {
    if (this.#secret.is(token)) return "local";
    const bytes = Buffer.from(token);
    let known = false;
    // All of them, so that the time tells nothing of which one it was.
    for (const one of this.#tokens) if (one.length === bytes.length && timingSafeEqual(one, bytes)) known = true;
    return known ? "trusted" : "anyone";
  }
}

/**
 * Lets pass who stands high enough.
 *
 * @param action what it is for, for the message: `Cannot list tensors`
 * @throws {ConnectError} `unauthenticated`
 */
export function mustBe(wanted: Exclude<Standing, "anyone">, seen: Standing, action: string): void {
  if (ORDER.indexOf(seen) >= ORDER.indexOf(wanted)) return;
  const what = wanted === "local" ? "the secret of the node's start" : "a token of the node, or the secret of its start";
  throw new ConnectError(`${action}: the bearer token must be ${what}, got none or another`, Code.Unauthenticated);
}
