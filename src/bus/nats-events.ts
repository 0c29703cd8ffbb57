import { Code, ConnectError } from "@connectrpc/connect";
import { toBusError } from "./errors.ts";
import type { NatsStatusLike } from "./nats-types.ts";
import type { Refusal } from "./requests.ts";

/** What a client's `status()` reported, the same for all of them. */
export type NatsEvent =
  | { readonly type: "disconnect" | "reconnecting" | "reconnect" | "stale" | "leaving" | "other" }
  | { readonly type: "error"; readonly error: ConnectError; readonly refusal: Refusal | undefined };

const names: ReadonlyMap<string, "disconnect" | "reconnecting" | "reconnect" | "stale" | "leaving"> = new Map([
  ["disconnect", "disconnect"],
  ["reconnecting", "reconnecting"],
  ["reconnect", "reconnect"],
  ["staleConnection", "stale"],
  ["ldm", "leaving"],
]);

/** Reads an event: the older clients put an error's code into `data`, @nats-io 3.4 the error into `error`. */
export function readEvent(status: NatsStatusLike): NatsEvent {
  const { data, error, permissionContext } = status as { data?: unknown; error?: unknown; permissionContext?: unknown };
  if (status.type !== "error") return { type: names.get(status.type) ?? "other" };
  const cause = error ?? { code: data, message: typeof data === "string" ? data : "" };
  const refusal = refusalIn(permissionContext) ?? refusalIn(error);
  if (refusal === undefined) return { type: "error", error: toBusError(cause, "use the connection to the broker"), refusal };
  const action = refusal.operation === "publish" ? "publish to" : "subscribe to";
  const message = `Cannot ${action} "${refusal.subject}": the broker does not permit it to this user`;
  return { type: "error", error: new ConnectError(message, Code.PermissionDenied, undefined, undefined, cause), refusal };
}

function refusalIn(context: unknown): Refusal | undefined {
  if (typeof context !== "object" || context === null) return undefined;
  const { operation, subject } = context as { operation?: unknown; subject?: unknown };
  if ((operation !== "publish" && operation !== "subscription") || typeof subject !== "string") return undefined;
  return { operation, subject };
}
