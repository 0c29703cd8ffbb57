import { isTensorUrl } from "./tensor-url.ts";
import { Code, ConnectError } from "@connectrpc/connect";
import { capabilityDenied } from "../waybill/capability.ts";
import type { Waybill } from "../waybill/descriptor.ts";
import { waybillFromString } from "../waybill/encoding.ts";
import { errorFromHttp } from "./http-error.ts";
import { httpWay } from "./owners.ts";
import type { ShareOptions } from "./store-types.ts";
import { readText } from "./stream.ts";
import { bearer } from "./way-http.ts";

/** An answer about a lease is no longer than a descriptor. */
const MAX_ANSWER_BYTES = 32_768;

/** Sends requests about leases to owners that are reached over HTTP only. */
export class HttpOwner {
  readonly #fetch: typeof globalThis.fetch;
  readonly #allowUrl: ((url: URL) => boolean) | undefined;

  constructor(fetch: typeof globalThis.fetch | undefined, allowUrl: ((url: URL) => boolean) | undefined) {
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#allowUrl = allowUrl;
  }

  /** Makes a second lease. */
  async share(waybill: Waybill, { leaseMs, once }: ShareOptions, signal: AbortSignal | undefined): Promise<Waybill> {
    return waybillFromString(await this.#send("share a tensor", "POST", "/share", waybill, { leaseMs, once }, signal));
  }

  /** Renews a lease; returns when it ends now, Unix milliseconds. */
  async touch(waybill: Waybill, leaseMs: number | undefined, signal: AbortSignal | undefined): Promise<number> {
    const text = await this.#send("touch a tensor", "POST", "/touch", waybill, { leaseMs }, signal);
    const answer: unknown = JSON.parse(text);
    const at = typeof answer === "object" && answer !== null && "expiresAtMs" in answer ? answer.expiresAtMs : undefined;
    return typeof at === "number" ? at : 0;
  }

  /** Ends a lease. */
  async release(waybill: Waybill, consumed: boolean, signal: AbortSignal | undefined): Promise<void> {
    await this.#send("release a tensor", "DELETE", consumed ? "?consumed=true" : "", waybill, undefined, signal);
  }

  async #send(
    action: string,
    method: string,
    path: string,
    waybill: Waybill,
    body: unknown,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const way = httpWay(waybill);
    if (way === undefined || !isTensorUrl(way.url, waybill) || this.#allowUrl?.(new URL(way.url)) === false) {
      throw new ConnectError(`Cannot ${action}: its owner cannot be reached from here`, Code.Unavailable);
    }
    const headers: Record<string, string> = { authorization: bearer(waybill.capability), accept: "text/plain" };
    if (body !== undefined) headers["content-type"] = "application/json";
    const init: RequestInit = { method, headers, redirect: "manual", credentials: "omit", signal };
    if (body !== undefined) init.body = JSON.stringify(body);
    const response = await this.#fetch(`${way.url}${path}`, init);
    if (response.status === 401 || response.status === 403) {
      await response.body?.cancel();
      throw capabilityDenied();
    }
    const text = await readText(response.body, MAX_ANSWER_BYTES);
    if (!response.ok) throw errorFromHttp(action, response.status, text);
    return text;
  }
}
