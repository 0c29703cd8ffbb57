/**
 * Ways to reach a tensor's bytes, and their checks: a descriptor comes from a stranger.
 *
 * @module
 */
import type { Way as WireWay } from "../../gen/waybill/v1/tensor_pb.ts";
import { invalidArgument, show } from "../tensor/errors.ts";

/** The same host: a segment that the owner and the consumer both map. */
export interface SharedMemoryWay {
  /** Tells the ways apart. */
  readonly kind: "shm";
  /** The host's id; another host must not try. */
  readonly host: string;
  /** The segment's name: letters, digits, `.`, `_`, `-`. */
  readonly segment: string;
  /** Where the bytes start in it. */
  readonly offset: number;
  /** The block's generation, checked before and after reading. */
  readonly generation: bigint;
}

/** UCX active messages. */
export interface UcxWay {
  /** Tells the ways apart. */
  readonly kind: "ucx";
  /** The listener, `host:port`. */
  readonly address: string;
  /** The owner's UCX version; one that cannot talk to it must not try. */
  readonly version: string;
}

/** HTTP GET with Range. */
export interface HttpWay {
  /** Tells the ways apart. */
  readonly kind: "http";
  /** An http or https URL without credentials. */
  readonly url: string;
}

/** The owner's node service over the bus: the last resort. */
export interface BusWay {
  /** Tells the ways apart. */
  readonly kind: "bus";
  /** The deployment's namespace. */
  readonly namespace: string;
  /** The node. */
  readonly node: string;
}

/** One way to reach a tensor's bytes. */
export type Way = SharedMemoryWay | UcxWay | HttpWay | BusWay;

/** Ways that a descriptor can have. */
export const MAX_WAYS = 16;

const MAX_URL_LENGTH = 2048;
const NAME = /^[A-Za-z0-9._-]{1,128}$/;
const SEGMENT = /^\/?[A-Za-z0-9_-][A-Za-z0-9._-]{0,253}$/;
const PRINTABLE = /^[!-~]{1,255}$/;

/**
 * Checks a name of a node, a namespace or a host: 1 to 128 letters, digits, `.`, `_` and `-`.
 *
 * @throws {ConnectError} `invalid_argument`
 */
export function checkName(action: string, what: string, name: string): string {
  if (typeof name === "string" && NAME.test(name)) return name;
  throw invalidArgument(`${action}: ${what} must be 1 to 128 letters, digits, ".", "_" and "-", got ${show(name)}`);
}

/**
 * A checked, frozen copy of a way.
 *
 * @param action what fails if it is bad, for the error message
 * @throws {ConnectError} `invalid_argument`
 */
export function checkWay(action: string, way: Way): Way {
  switch (way.kind) {
    case "shm": {
      const { host, segment, offset, generation } = way;
      if (typeof segment !== "string" || !SEGMENT.test(segment)) {
        throw invalidArgument(`${action}: a segment must be a plain name of up to 255 characters, got ${show(segment)}`);
      }
      if (!Number.isSafeInteger(offset) || offset < 0) {
        throw invalidArgument(`${action}: a segment's offset must be an integer from 0, got ${show(offset)}`);
      }
      if (typeof generation !== "bigint" || BigInt.asUintN(64, generation) !== generation) {
        throw invalidArgument(`${action}: a generation must be a bigint of 64 bits, got ${show(generation)}`);
      }
      return Object.freeze({ kind: "shm", host: checkName(action, "a host", host), segment, offset, generation });
    }
    case "ucx": {
      const address = checkPrintable(action, "a UCX address", way.address);
      return Object.freeze({ kind: "ucx", address, version: checkPrintable(action, "a UCX version", way.version) });
    }
    case "http":
      return Object.freeze({ kind: "http", url: checkUrl(action, way.url) });
    case "bus": {
      const namespace = checkName(action, "a namespace", way.namespace);
      return Object.freeze({ kind: "bus", namespace, node: checkName(action, "a node", way.node) });
    }
    default:
      throw invalidArgument(`${action}: a way must be "shm", "ucx", "http" or "bus", got ${show((way as Way).kind)}`);
  }
}

/**
 * A way from its message, checked; `undefined` for a kind that a newer owner may know and we do not.
 *
 * @throws {ConnectError} `invalid_argument`
 */
export function wayFromWire(action: string, { kind }: WireWay): Way | undefined {
  switch (kind.case) {
    case undefined:
      return undefined;
    case "shm": {
      const { host, segment, offset, generation } = kind.value;
      return checkWay(action, { kind: "shm", host, segment, offset: Number(offset), generation });
    }
    case "ucx":
      return checkWay(action, { kind: "ucx", address: kind.value.address, version: kind.value.version });
    case "http":
      return checkWay(action, { kind: "http", url: kind.value.url });
    case "bus":
      return checkWay(action, { kind: "bus", namespace: kind.value.namespace, node: kind.value.node });
  }
}

/** The message of a checked way. */
export function wayToWire(way: Way): WireWay {
  return { $typeName: "waybill.v1.Way", kind: wireKind(way) };
}

function wireKind(way: Way): WireWay["kind"] {
  switch (way.kind) {
    case "shm": {
      const { host, segment, offset, generation } = way;
      const value = { $typeName: "waybill.v1.SharedMemoryWay", host, segment, offset: BigInt(offset), generation } as const;
      return { case: "shm", value };
    }
    case "ucx":
      return { case: "ucx", value: { $typeName: "waybill.v1.UcxWay", address: way.address, version: way.version } };
    case "http":
      return { case: "http", value: { $typeName: "waybill.v1.HttpWay", url: way.url } };
    case "bus":
      return { case: "bus", value: { $typeName: "waybill.v1.BusWay", namespace: way.namespace, node: way.node } };
  }
}

function checkPrintable(action: string, what: string, text: string): string {
  if (typeof text === "string" && PRINTABLE.test(text)) return text;
  throw invalidArgument(`${action}: ${what} must be 1 to 255 printable ASCII characters, got ${show(text)}`);
}

function checkUrl(action: string, url: string): string {
  if (typeof url !== "string" || url.length > MAX_URL_LENGTH) {
    throw invalidArgument(`${action}: a URL must have at most ${MAX_URL_LENGTH} characters, got ${url?.length ?? show(url)}`);
  }
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw invalidArgument(`${action}: a URL must be http:// or https://, got ${show(url)}`, cause);
  }
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:") {
    throw invalidArgument(`${action}: a URL must be http:// or https://, got ${show(parsed.protocol)}`);
  }
  // Not shown: it holds a password.
  if (parsed.username !== "" || parsed.password !== "") {
    throw invalidArgument(`${action}: a URL must not hold a user or a password, got one with them`);
  }
  return url;
}
