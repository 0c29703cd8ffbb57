import { isIP } from "node:net";
import type { NativeAddon } from "../../native/mod.ts";
import { invalidArgument, show } from "../../tensor/errors.ts";
import type { UcxLease } from "./lease.ts";

/** How to open a {@linkcode UcxWire}. */
export interface UcxWireOptions {
  /** The addon. Default: found as `loadNative` does. */
  addon?: NativeAddon;
  /** Paths of `libucp.so.0`, tried in this order. Default: the one that `locateUcx` finds. */
  libraries?: readonly string[];
  /** What the node's capabilities are signed with, 32 bytes. */
  key: Uint8Array;
  /** The IP address to listen on. Default `"127.0.0.1"`. */
  host?: string;
  /** The port to listen on. Default 0: a free one. */
  port?: number;
  /** The host that others are told, where it is not `host`. Must be given when that is all addresses. */
  advertiseHost?: string;
  /** The port that others are told, behind an address translation. Default: the one that is listened on. */
  advertisePort?: number;
  /** Network devices to use, `UCX_NET_DEVICES`. The one behind the advertised address must be among them. Default: UCX's choice. */
  devices?: readonly string[];
  /** Transports to use, `UCX_TLS`. Default: UCX's choice. */
  transports?: readonly string[];
  /** Other settings of UCX, named without `UCX_`. What the environment sets goes first. */
  settings?: Readonly<Record<string, string>>;
  /** Bytes of a piece of a large tensor: what a small one may have to wait for. Default 256 KiB. */
  pieceBytes?: number;
  /** Pieces on their way at once to one peer. Default 3. */
  windowPieces?: number;
  /** How long the thread looks for more work before it sleeps, in microseconds. Default 50. */
  spinMicros?: number;
  /** How long a connection may take. Default 3,000 ms. */
  connectTimeoutMs?: number;
  /** Silence of a peer in the middle of a transfer after which it counts as dead. Default 10,000 ms. */
  stallMs?: number;
  /** Told what was read, in batches: a lease, how often, how many bytes. It must not throw. */
  onUsed?: (lease: UcxLease, reads: number, bytes: number) => void;
}

/** Checked options, as the addon takes them. */
export interface UcxTuning {
  readonly host: string;
  readonly port: number;
  readonly advertiseHost: string;
  readonly settings: string;
  readonly pieceBytes: number;
  readonly windowPieces: number;
  readonly spinMicros: number;
  readonly connectTimeoutMs: number;
  readonly stallMs: number;
}

const ACTION = "Cannot open a UCX wire";

/**
 * Checks options.
 *
 * @throws {ConnectError} `invalid_argument`
 */
export function checkUcxOptions(options: UcxWireOptions): UcxTuning {
  const { key, host = "127.0.0.1", port = 0, devices, transports } = options;
  if (key.length !== 32) throw invalidArgument(`${ACTION}: key must have 32 bytes, got ${key.length}`);
  if (isIP(host) === 0) throw invalidArgument(`${ACTION}: host must be an IP address, got ${show(host)}`);
  const advertiseHost = options.advertiseHost ?? host;
  if (advertiseHost === "0.0.0.0" || advertiseHost === "::") {
    throw invalidArgument(`${ACTION}: advertiseHost must be one that others can reach, got ${show(advertiseHost)}`);
  }
  const settings: Record<string, string> = { ...options.settings };
  if (devices !== undefined) settings.NET_DEVICES = devices.join(",");
  if (transports !== undefined) settings.TLS = transports.join(",");
  for (const [name, value] of Object.entries(settings)) {
    if (!/^[A-Z][A-Z0-9_]*$/.test(name) || name.startsWith("UCX_") || /[\n\0]/.test(value)) {
      throw invalidArgument(`${ACTION}: settings must be named like "TCP_PORT_RANGE", without UCX_, got ${show(name)}`);
    }
  }
  return {
    host,
    port: integer("port", port, 0, 65_535),
    advertiseHost,
    settings: Object.entries(settings).map(([name, value]) => `${name}=${value}`).join("\n"),
    pieceBytes: integer("pieceBytes", options.pieceBytes ?? 256 << 10, 65_536, 2 ** 40),
    windowPieces: integer("windowPieces", options.windowPieces ?? 3, 1, 1024),
    spinMicros: integer("spinMicros", options.spinMicros ?? 50, 0, 1_000_000),
    connectTimeoutMs: integer("connectTimeoutMs", options.connectTimeoutMs ?? 3_000, 1, 3_600_000),
    stallMs: integer("stallMs", options.stallMs ?? 10_000, 1, 3_600_000),
  };
}

function integer(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalidArgument(`${ACTION}: ${name} must be an integer from ${least} to ${most}, got ${show(value)}`);
}
