import { Code, ConnectError } from "@connectrpc/connect";
import { timingSafeEqual } from "hono/utils/buffer";

/** What a request is about, by Triton's categories of restricted interfaces. */
export type Action =
  | "health"
  | "metadata"
  | "inference"
  | "model-config"
  | "model-repository"
  | "shared-memory"
  | "statistics"
  | "trace"
  | "logging";

/** A key, and what it opens. */
export interface AccessKey {
  /** At least 16 characters; clients send it as `authorization: Bearer <key>`. */
  readonly key: string;
  /** The models that it opens. Default: all. */
  readonly models?: readonly string[];
  /** What it may be used for. Default: all. Health is open to everybody. */
  readonly actions?: readonly Action[];
}

/** Who may do what: keys, or a function that gives those of now. Default: everybody may do everything that is enabled. */
export type AccessKeys = readonly AccessKey[] | (() => readonly AccessKey[]);

/**
 * Lets a request through, or not.
 *
 * @param model `""` for what is about no single one: only keys for all models open that
 * @throws {ConnectError} `unauthenticated` without a known key, `permission_denied` for one that does not open this
 */
export async function admit(
  keys: AccessKeys | undefined,
  authorization: string | null,
  action: Action,
  model: string,
): Promise<void> {
  if (keys === undefined || action === "health") return;
  const given = /^Bearer +(.+)$/i.exec(authorization ?? "")?.[1] ?? "";
  let known = false;
  for (const { key, models, actions } of typeof keys === "function" ? keys() : keys) {
    if (key.length < 16 || !await timingSafeEqual(given, key)) continue;
    known = true;
    if (models !== undefined && !models.includes(model)) continue;
    if (actions === undefined || actions.includes(action)) return;
  }
  if (!known) {
    throw new ConnectError(
      "Cannot answer: the bearer token must be one of the keys, got none or another",
      Code.Unauthenticated,
    );
  }
  throw new ConnectError(
    `This API is restricted: the key does not open ${action}${model === "" ? "" : ` of model '${model}'`}`,
    Code.PermissionDenied,
  );
}
