import { ConnectError } from "@connectrpc/connect";
import type { Logger } from "../../bus/logger.ts";
import { loadMapper, type MapFile } from "../../data/shm/mapping.ts";
import { unlessAborted } from "../../rpc/deadline.ts";
import { attach } from "./attach.ts";
import { Session } from "./session.ts";

/** How to keep a session with the node's sidecar. */
export interface SidecarLinkOptions {
  /** The sidecar's socket. */
  readonly socket: string;
  /** The worker's name, for people. */
  readonly name: string;
  /** Bytes of the worker's own segment; 0 is the node's default. */
  readonly segmentBytes: number;
  readonly logger: Logger;
  /** Told of each session that begins, and, with `undefined`, that it has ended. */
  readonly onChange: (session: Session | undefined) => void;
}

/** How long an attempt to attach may take. */
const ATTACH_MS = 5_000;
/** The pause before the second attempt; each is twice as long as the one before. */
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2_000;

/**
 * A worker's sessions with its node's sidecar, one after the other: it is **attached**, or **alone** from when a session ends (the sidecar
 * restarts) until the next one begins, which it tries for as long as it is not **closed**.
 */
export class SidecarLink implements AsyncDisposable {
  readonly #options: SidecarLinkOptions;
  readonly #mapFile: MapFile | string;
  readonly #closed = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  readonly #running: Promise<void>;
  #session: Session | undefined;
  #toldUnmappable = false;

  private constructor(options: SidecarLinkOptions, mapFile: MapFile | string) {
    this.#options = options;
    this.#mapFile = mapFile;
    this.#running = this.#run();
  }

  /** Attaches, or goes on trying where the first attempt fails: that is told in the log. */
  static async start(options: SidecarLinkOptions): Promise<SidecarLink> {
    const mapFile = await loadMapper().catch((error) => ConnectError.from(error).rawMessage);
    const link = new SidecarLink(options, mapFile);
    await link.#first.promise;
    return link;
  }

  /** The session; `undefined` while there is none. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** Ends the session: its pins go, what was put lives on at the sidecar until its leases end. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#session?.end();
    await this.#running;
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    const { logger, onChange } = this.#options;
    let pauseMs = FIRST_PAUSE_MS;
    let told = "";
    while (!this.#closed.signal.aborted) {
      try {
        const session = await this.#attach();
        this.#session = session;
        onChange(session);
        logger.info("Attached to the sidecar", { node: session.node });
        this.#tellOnce(session.unmappable);
        this.#first.resolve();
        [pauseMs, told] = [FIRST_PAUSE_MS, ""];
        await session.ended;
        this.#session = undefined;
        onChange(undefined);
        if (!this.#closed.signal.aborted) logger.warn("The sidecar has left: tensors stay in this worker until it is back");
      } catch (error) {
        const reason = ConnectError.from(error).rawMessage;
        if (reason !== told) logger.warn("Cannot attach to the sidecar, trying again", { reason });
        told = reason;
        this.#first.resolve();
      }
      await this.#pause(pauseMs * (0.5 + Math.random() / 2));
      pauseMs = Math.min(MAX_PAUSE_MS, 2 * pauseMs);
    }
    this.#first.resolve();
  }

  #tellOnce(unmappable: string | undefined): void {
    if (unmappable === undefined || this.#toldUnmappable) return;
    this.#toldUnmappable = true;
    this.#options.logger.warn("The sidecar's memory cannot be mapped: tensors are sent as bytes", { reason: unmappable });
  }

  async #attach(): Promise<Session> {
    const { socket, name, segmentBytes } = this.#options;
    const attachment = await attach({ socket, name, segmentBytes, timeoutMs: ATTACH_MS });
    try {
      if (this.#closed.signal.aborted) throw new Error("Closed");
      return new Session(attachment, socket, this.#mapFile);
    } catch (error) {
      attachment.close();
      throw error;
    }
  }

  async #pause(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
    await unlessAborted(over, this.#closed.signal).catch(() => {});
    clearTimeout(timer);
  }
}
