import { Code, ConnectError } from "@connectrpc/connect";
import type { BusOptions } from "../../bus/options.ts";
import { checkNumbers } from "../../bus/options.ts";
import { abortError } from "../../rpc/error.ts";
import { fetchWire } from "./fetch-wire.ts";
import { parseNodeUrl } from "./node-address.ts";
import { NodeLink } from "./node-link.ts";
import type { NodeProtocol, NodeWire, NodeWireOptions } from "./node-wire.ts";
import { runtimeWire, secretBeside } from "./runtime-wire-node.ts";

/** How to connect to a node. */
export interface NodeLinkOptions
  extends Pick<BusOptions, "token" | "tls" | "connectTimeoutMs" | "waitOnFirstConnectMs" | "signal"> {
  protocol?: NodeProtocol;
}

/** Credentials that brokers take, and nodes do not. */
const OF_BROKERS = ["user", "password", "nkeySeed", "jwt", "credentials"] as const;
const DEFAULT_TIMEOUT_MS = 5_000;
const RETRY_MS = 200;

/**
 * Connects to a node, and asks it who it is.
 *
 * @throws {ConnectError} `invalid_argument` for what cannot work, `unavailable` when it does not answer, `unauthenticated` when it
 * does not know the token, `unimplemented` when what answers is no node
 * @param wireOf gives what carries the calls. Default: the best that the runtime has
 */
export async function openNodeLink(
  url: string,
  options: NodeLinkOptions & BusOptions,
  wireOf: (options: NodeWireOptions) => NodeWire | Promise<NodeWire> = bestWire,
): Promise<NodeLink> {
  const { protocol = "connect", tls, token, signal } = options;
  const { connectTimeoutMs = DEFAULT_TIMEOUT_MS, waitOnFirstConnectMs = 0 } = options;
  checkNumbers(options);
  const address = parseNodeUrl(url);
  if (protocol !== "connect" && protocol !== "grpc") {
    throw wrong(`protocol must be "connect" or "grpc", got "${protocol}"`);
  }
  const foreign = OF_BROKERS.find((name) => options[name] !== undefined);
  if (foreign !== undefined) throw wrong(`it takes a token, and the option ${foreign} was given, which is for brokers`);
  const { socketPath } = address;
  const secret = socketPath === undefined ? undefined : () => secretBeside(socketPath);
  const link = new NodeLink(await wireOf({ address, protocol, tls }), address, token ?? secret);
  const giveUpAt = performance.now() + waitOnFirstConnectMs;
  for (;;) {
    try {
      await link.list("", { signal, timeoutMs: connectTimeoutMs });
      return link;
    } catch (cause) {
      const error = ConnectError.from(cause);
      if (error.code !== Code.Unavailable || performance.now() >= giveUpAt || signal?.aborted) {
        await link.close();
        throw signal?.aborted ? abortError(signal) : refused(address.shown, error);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function bestWire(options: NodeWireOptions): Promise<NodeWire> {
  return await runtimeWire(options) ?? fetchWire(options);
}

function refused(shown: string, error: ConnectError): ConnectError {
  const why = error.code === Code.DeadlineExceeded ? "it does not answer" : error.rawMessage;
  const code = error.code === Code.DeadlineExceeded ? Code.Unavailable : codeOf(error);
  const refusal = new ConnectError(`Cannot connect to node "${shown}": ${why}`, code, error.metadata, undefined, error);
  refusal.details = error.details;
  return refusal;
}

/** A server of something else answers pages. */
function codeOf({ code, rawMessage }: ConnectError): Code {
  return rawMessage.startsWith("unsupported content type") ? Code.Unimplemented : code;
}

function wrong(rule: string): ConnectError {
  return new ConnectError(`Cannot connect to a node: ${rule}`, Code.InvalidArgument);
}
