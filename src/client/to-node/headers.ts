/**
 * Headers that a client and the node that it is connected to tell each other what a route and a frame tell on the bus.
 *
 * @module
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { DispatchMode, OperatorRouteOptions } from "../../rpc/route.ts";
import { isId, randomId } from "../../rpc/ids.ts";
import type { AnswerSource, BusCallOptions } from "../../rpc/transport.ts";

/** How the node passes the request on. */
const MODE = "waybill-mode";
/** Of a request, the one instance that shall have it; of an answer, the one that gave it. */
const INSTANCE = "waybill-instance";
/** Which execution of the request answered. */
const ATTEMPT = "waybill-attempt";
/** Of streams of requests, what they are for: else the first one would have to be waited for. */
const OPERATOR = "waybill-operator";
const VERSION = "waybill-version";
/** Queue priority. */
const PRIORITY = "waybill-priority";
/** A second request with the same key is dropped. */
const IDEMPOTENCY_KEY = "waybill-idempotency-key";
/** Whether running it twice is harmless. */
const IDEMPOTENT = "waybill-idempotent";
/** One call, however often a browser sends it. */
const CALL = "waybill-call";
/** Of requests to the tensor service: the node that is meant, where it is another one. */
export const NODE_HEADER = "waybill-node";

/** What belongs to HTTP, Connect, gRPC or us, and so to one hop: never passed on as a user's metadata. */
const OF_THE_HOP =
  /^(waybill-|connect-|grpc-|:|accept|accept-encoding$|authorization$|connection$|content-|cookie$|date$|host$|keep-alive$|origin$|proxy-|referer$|sec-|server$|te$|trailer|transfer-encoding$|upgrade$|user-agent$|vary$|x-user-agent$)/;

const MODES: readonly DispatchMode[] = ["queue", "direct", "at-most-once"];

/** A user's metadata with what else a request has to say. */
export function requestHeaders(
  given: HeadersInit | undefined,
  { mode, instance, priority }: OperatorRouteOptions,
  { idempotencyKey, idempotent }: BusCallOptions,
): Headers {
  const headers = new Headers(given);
  if (mode !== undefined) headers.set(MODE, mode);
  if (instance !== undefined) headers.set(INSTANCE, instance);
  if (priority) headers.set(PRIORITY, String(priority));
  if (idempotencyKey !== undefined) headers.set(IDEMPOTENCY_KEY, encodeURIComponent(idempotencyKey));
  if (idempotent !== undefined) headers.set(IDEMPOTENT, String(idempotent));
  return headers;
}

/** Says what a stream of requests is for. */
export function setOperator(headers: Headers, operator: string, version: string | undefined): void {
  headers.set(OPERATOR, encodeURIComponent(operator));
  if (version !== undefined) headers.set(VERSION, encodeURIComponent(version));
}

/** Says which call it is. */
export function setCallId(headers: Headers): void {
  headers.set(CALL, randomId());
}

/** Which call it is; `undefined` where nobody said so. */
export function callIdOf(headers: Headers): string | undefined {
  const id = headers.get(CALL);
  return id !== null && isId(id) ? id : undefined;
}

/** What a stream of requests is for; `undefined` when its first one has to tell. */
export function operatorOf(headers: Headers): { modelName: string; modelVersion: string } | undefined {
  const operator = headers.get(OPERATOR);
  return operator === null ? undefined : { modelName: decoded(operator), modelVersion: decoded(headers.get(VERSION) ?? "") };
}

/**
 * Where a request wants to go.
 *
 * @throws {ConnectError} `invalid_argument` for what is no way to dispatch
 */
export function routeOf(headers: Headers): Pick<OperatorRouteOptions, "mode" | "instance" | "priority"> {
  const mode = headers.get(MODE) ?? undefined;
  if (mode !== undefined && !(MODES as readonly string[]).includes(mode)) {
    const wanted = MODES.map((one) => `"${one}"`).join(", ");
    throw new ConnectError(`Cannot call an operator: ${MODE} must be one of ${wanted}, got "${mode}"`, Code.InvalidArgument);
  }
  const priority = Number(headers.get(PRIORITY) ?? 0);
  if (!(Number.isInteger(priority) && priority >= 0 && priority < 256)) {
    throw new ConnectError(
      `Cannot call an operator: ${PRIORITY} must be an integer from 0 to 255, got "${headers.get(PRIORITY)}"`,
      Code.InvalidArgument,
    );
  }
  const instance = headers.get(INSTANCE) ?? undefined;
  if (instance !== undefined && !isId(instance)) {
    throw new ConnectError(
      `Cannot call an operator: ${INSTANCE} must be an instance's id, got "${instance}"`,
      Code.InvalidArgument,
    );
  }
  return { mode: mode as DispatchMode | undefined, instance, priority };
}

/** What else a request says of itself. */
export function callOptionsOf(headers: Headers): BusCallOptions {
  const key = headers.get(IDEMPOTENCY_KEY);
  const idempotent = headers.get(IDEMPOTENT);
  return {
    idempotencyKey: key === null ? undefined : decoded(key),
    idempotent: idempotent === null ? undefined : idempotent === "true",
  };
}

/** A user's metadata alone: what is to be passed on. */
export function metadataOf(headers: Headers): Headers {
  const metadata = new Headers();
  headers.forEach((value, name) => {
    if (!OF_THE_HOP.test(name)) metadata.append(name, value);
  });
  return metadata;
}

/** Says who answered. */
export function setSource(headers: Headers, { instance, attempt }: AnswerSource): void {
  headers.set(INSTANCE, instance);
  headers.set(ATTEMPT, String(attempt));
}

/** Who answered. */
export function sourceOf(headers: Headers): AnswerSource {
  return { instance: headers.get(INSTANCE) ?? "", attempt: Number(headers.get(ATTEMPT) ?? 0) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
