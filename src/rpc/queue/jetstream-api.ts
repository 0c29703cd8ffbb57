import { Code, type ConnectError } from "@connectrpc/connect";
import type { Bus } from "../../bus/bus.ts";
import { fault } from "../error.ts";

/** How to wait for the broker's answer. */
export interface ApiOptions {
  /** Gives up when aborted. */
  signal?: AbortSignal;
  /** Default 5,000 ms. */
  timeoutMs?: number;
}

/** An error as the broker's storage API reports it. */
interface ApiError {
  readonly code?: number;
  readonly err_code?: number;
  readonly description?: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Broker error numbers that callers act on. */
export const ApiErrorCode = {
  streamNotFound: 10059,
  noStorage: 10039,
  consumerNotFound: 10014,
  messageNotFound: 10037,
  messageDeleteFailed: 10057,
  streamNameInUse: 10058,
  wrongLastSequence: 10071,
  noResources: 10023,
  noMemory: 10028,
  noDisk: 10047,
} as const;

/**
 * One request to the broker's storage API (JetStream), as documented at
 * https://docs.nats.io/reference/reference-protocols/nats_api_reference. Spoken directly because it then works over every
 * connection, also a caller's own of another client generation.
 *
 * @param name such as `STREAM.INFO.<stream>`
 * @throws {ConnectError} `not_found`, `already_exists`, `resource_exhausted`, `failed_precondition` or `unavailable`, with
 * the broker's own words; its error number is the detail's `reason`, such as `"JS_10059"`
 */
export async function callApi<T>(bus: Bus, name: string, body?: unknown, options: ApiOptions = {}): Promise<T> {
  const payload = body === undefined ? new Uint8Array(0) : encoder.encode(JSON.stringify(body));
  const reply = await bus.request(`$JS.API.${name}`, payload, options);
  const answer = JSON.parse(decoder.decode(reply.payload)) as T & { error?: ApiError };
  if (answer.error !== undefined) throw apiFault(name, answer.error);
  return answer;
}

/** Whether an error is the broker's own with this number. */
export function isApiError(error: unknown, number: number): boolean {
  return error instanceof Error && apiNumbers.get(error) === number;
}

const apiNumbers = new WeakMap<Error, number>();

function apiFault(name: string, { code = 500, err_code = 0, description = "no reason given" }: ApiError): ConnectError {
  const connectCode = code === 404
    ? Code.NotFound
    : err_code === ApiErrorCode.streamNameInUse
    ? Code.AlreadyExists
    : /insufficient|maximum|exceed/i.test(description)
    ? Code.ResourceExhausted
    : code === 503
    ? Code.Unavailable
    : Code.FailedPrecondition;
  const error = fault(`The broker refused ${name}: ${description}`, connectCode, { reason: `JS_${err_code}` });
  apiNumbers.set(error, err_code);
  return error;
}

/** What of a stream's configuration is used here; `max_age` and windows are nanoseconds. */
export interface StreamConfig {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly retention: "limits" | "workqueue";
  readonly storage: "memory" | "file";
  readonly num_replicas?: number;
  readonly discard?: "old" | "new";
  readonly max_msgs?: number;
  readonly max_bytes?: number;
  readonly max_age?: number;
  readonly max_msgs_per_subject?: number;
  readonly duplicate_window?: number;
  readonly allow_direct?: boolean;
  readonly allow_msg_ttl?: boolean;
  readonly allow_rollup_hdrs?: boolean;
  readonly deny_delete?: boolean;
  readonly subject_transform?: { readonly src: string; readonly dest: string };
  readonly republish?: { readonly src: string; readonly dest: string; readonly headers_only?: boolean };
  readonly description?: string;
}

/** What `STREAM.INFO` answers, as far as it is used here. */
export interface StreamInfo {
  readonly config: StreamConfig;
  readonly state: { readonly messages: number; readonly bytes: number; readonly first_seq: number; readonly last_seq: number };
  /** The broker's clock when it answered. */
  readonly ts?: string;
}

/** Makes a stream, or brings it to this configuration. */
export async function ensureStream(bus: Bus, config: StreamConfig, options?: ApiOptions): Promise<StreamInfo> {
  try {
    return await callApi(bus, `STREAM.CREATE.${config.name}`, config, options);
  } catch (error) {
    if (!isApiError(error, ApiErrorCode.streamNameInUse)) throw error;
    return await callApi(bus, `STREAM.UPDATE.${config.name}`, config, options);
  }
}

/** Nanoseconds, as the broker counts time. */
export function nanos(ms: number): number {
  return ms * 1_000_000;
}
