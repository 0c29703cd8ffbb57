import { readFile } from "node:fs/promises";
import { Agent } from "node:http";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { NodeService } from "../../../gen/waybill/v1/node_pb.ts";
import { type Attached, type AttachResponse, SessionService } from "../../../gen/waybill/v1/session_pb.ts";
import { secretFileOf } from "../../data/node-socket.ts";

/** How to attach. */
export interface AttachOptions {
  /** The sidecar's socket. */
  readonly socket: string;
  /** The worker's name, for people. */
  readonly name: string;
  /** Bytes of the worker's own segment; 0 is the node's default. */
  readonly segmentBytes: number;
  /** How long the first answer may take. */
  readonly timeoutMs: number;
}

/** A session that has begun. */
export interface Attachment {
  /** What the sidecar said of itself. */
  readonly attached: Attached;
  /** What it tells; ends, or throws, with the session. */
  readonly events: AsyncIterable<AttachResponse["event"]>;
  /** What the sidecar knows its own by, a secret. */
  readonly token: string;
  /** The node that it is the sidecar of. */
  readonly client: Client<typeof NodeService>;
  /** What they want. */
  readonly headers: Readonly<Record<string, string>>;
  /** Ends the session. */
  close(): void;
}

/** How long reading what waits may take. */
const READ_MS = 500;
/** Silence of that many heartbeats is the end of a session. */
const LOST_AFTER = 4;

/**
 * Begins a session with the node's sidecar. Its secret is read each time: another start has another one.
 *
 * @throws {ConnectError} `unavailable` when no sidecar answers in time, `permission_denied` when the secret cannot be read, and what the
 * sidecar refuses with
 */
export async function attach({ socket, name, segmentBytes, timeoutMs }: AttachOptions): Promise<Attachment> {
  const token = await readSecret(secretFileOf(socket));
  const ended = new AbortController();
  const agent = new Agent({ keepAlive: false });
  const transport = createConnectTransport({
    httpVersion: "1.1",
    baseUrl: "http://localhost",
    useBinaryFormat: true,
    nodeOptions: { socketPath: socket, agent },
  });
  const silence = new Silence(ended, timeoutMs);
  const client = createClient(NodeService, transport);
  const sessions = createClient(SessionService, transport);
  const headers = { authorization: `Bearer ${token}` };
  const request = { name, segmentBytes: BigInt(segmentBytes) };
  const stream = sessions.attach(request, { signal: ended.signal, headers })[Symbol.asyncIterator]();
  const close = () => {
    silence.stop();
    ended.abort(new ConnectError("The session with the sidecar was closed", Code.Canceled));
    agent.destroy();
  };
  try {
    const first = await stream.next();
    if (first.done === true || first.value.event.case !== "attached") {
      throw new ConnectError("Cannot attach to the sidecar: its first answer must tell of the session", Code.DataLoss);
    }
    const attached = first.value.event.value;
    silence.allow((attached.heartbeatMs || 1_000) * LOST_AFTER);
    const events = (async function* () {
      try {
        for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
          silence.heard();
          yield next.value.event;
        }
      } finally {
        close();
      }
    })();
    return { attached, events, token, client, headers, close };
  } catch (error) {
    const lost = silence.over ? `it must answer within ${timeoutMs} ms, and did not` : ConnectError.from(error).rawMessage;
    close();
    const code = silence.over ? Code.Unavailable : ConnectError.from(error).code;
    throw new ConnectError(`Cannot attach to the sidecar at "${socket}": ${lost}`, code, undefined, undefined, error);
  }
}

async function readSecret(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const code = reason === "EACCES" || reason === "EPERM" ? Code.PermissionDenied : Code.Unavailable;
    const text = `Cannot attach to the sidecar: its secret in "${path}" must be readable, got ${reason}`;
    throw new ConnectError(text, code, undefined, undefined, cause);
  }
}

/** Ends a session whose sidecar says nothing. */
class Silence {
  /** Whether it has ended the session. */
  over = false;
  readonly #ended: AbortController;
  #ms: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ended: AbortController, ms: number) {
    this.#ended = ended;
    this.#ms = ms;
    this.heard();
  }

  allow(ms: number): void {
    this.#ms = ms;
    this.heard();
  }

  heard(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    // A loop that was blocked has not read yet what was said meanwhile: it gets the time to.
    this.#timer = setTimeout(() => this.#timer = setTimeout(() => this.#lose(), READ_MS), this.#ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #lose(): void {
    this.over = true;
    this.#ended.abort(new ConnectError(`The sidecar said nothing for ${this.#ms} ms`, Code.Unavailable));
  }
}
