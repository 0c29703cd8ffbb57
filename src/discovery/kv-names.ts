import { checkNamespace } from "../rpc/names.ts";

/** How one namespace's bucket is called where; the layout is that of every NATS client's key-value stores. */
export interface KvNames {
  /** The stream behind the bucket. */
  readonly stream: string;
  /** What the keys stand behind in subjects. */
  readonly prefix: string;
  /** What the bucket is called in `nats kv`. */
  readonly bucket: string;
}

/**
 * The names of a namespace's bucket.
 *
 * @throws {ConnectError} `invalid_argument` when it is no namespace
 */
export function kvNames(namespace: string): KvNames {
  const bucket = `wb_${checkNamespace(namespace)}`;
  return { stream: `KV_${bucket}`, prefix: `$KV.${bucket}.`, bucket };
}
