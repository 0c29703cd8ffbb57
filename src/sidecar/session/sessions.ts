import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { NodeService } from "../../../gen/waybill/v1/node_pb.ts";
import type {
  AttachRequest,
  AttachResponseSchema,
  BatchRequest,
  BatchResponseSchema,
} from "../../../gen/waybill/v1/session_pb.ts";
import type { Logger } from "../../bus/logger.ts";
import { isReachable } from "../../data/store-way.ts";
import type { TensorStore } from "../../data/store.ts";
import { fault } from "../../rpc/error.ts";
import { referenceKey } from "../../waybill/lease.ts";
import { wayToWire } from "../../waybill/way.ts";
import type { SidecarLimits } from "../limits.ts";
import type { NodeSegment, NodeSegments } from "../segments.ts";
import type { Pulls } from "./pulls.ts";
import { runOperations } from "./operations.ts";
import { Session, toWire } from "./session.ts";
import { WorkerBlock } from "./worker-segment.ts";

/** Events come at least this often. */
const HEARTBEAT_MS = 5_000;
const MAX_NAME_CHARACTERS = 128;

/** What sessions need of their node. */
export interface SessionsHost {
  readonly store: TensorStore;
  /** What runs operations that are not of sessions alone. */
  readonly service: Partial<ServiceImpl<typeof NodeService>>;
  readonly segments: NodeSegments | undefined;
  readonly pulls: Pulls;
  readonly startId: Uint8Array;
  readonly host: string;
  /** Bytes of a worker's own segment, where it does not say. */
  readonly segmentBytes: number;
  readonly limits: Required<SidecarLimits>;
  readonly logger: Logger;
}

/** All workers that are attached to a node. */
export class Sessions implements Disposable {
  readonly #host: SessionsHost;
  readonly #sessions = new Map<string, Session>();
  readonly #unwatch: (() => void)[] = [];
  #closed = false;

  constructor(host: SessionsHost) {
    this.#host = host;
    this.#unwatch.push(host.store.watch({
      ended: ({ reference, bufferId: { block } }, reason) => {
        if (reason === "expired" && block instanceof WorkerBlock) block.owner.expired(reference);
      },
    }));
    const added = (segment: NodeSegment) => {
      for (const session of this.#sessions.values()) session.tell(segment);
    };
    const removed = (segment: NodeSegment) => {
      for (const session of this.#sessions.values()) session.untell(segment);
    };
    if (host.segments !== undefined) this.#unwatch.push(host.segments.watch({ added, removed }));
  }

  /** Workers that are attached. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Pins of all of them. */
  get pins(): number {
    let pins = 0;
    for (const session of this.#sessions.values()) pins += session.pins;
    return pins;
  }

  /**
   * `SessionService.Attach`: the session lasts as long as the stream.
   *
   * @throws {ConnectError} `resource_exhausted` past `maxSessions`, `unavailable` once closed
   */
  async *attach(
    request: AttachRequest,
    { signal }: Pick<HandlerContext, "signal">,
  ): AsyncGenerator<MessageInitShape<typeof AttachResponseSchema>> {
    const { maxSessions, maxPins, maxOperations } = this.#host.limits;
    if (this.#closed) throw fault("Cannot attach: the node is closed", Code.Unavailable, { reason: "SHUTDOWN" });
    if (this.#sessions.size >= maxSessions) {
      const text = `Cannot attach: the node takes at most ${maxSessions} workers, and all are there`;
      throw fault(text, Code.ResourceExhausted, { reason: "TOO_MANY_SESSIONS" });
    }
    const { store, segments, startId, host, segmentBytes, logger } = this.#host;
    const name = request.name.slice(0, MAX_NAME_CHARACTERS);
    const session = new Session(name, { maxPins, emptied: (segment) => segments?.remove(segment) });
    const mine = segments?.create(Number(request.segmentBytes) || segmentBytes);
    if (mine !== undefined) session.own(mine);
    const end = () => session.end();
    signal.addEventListener("abort", end, { once: true });
    this.#sessions.set(session.key, session);
    logger.info("A worker has attached", { worker: name, segment: mine?.name });
    try {
      const attached = {
        node: store.node,
        startId,
        session: session.id,
        host,
        segments: segments?.all.filter((segment) => segment !== mine).map(toWire) ?? [],
        own: mine && toWire(mine),
        heartbeatMs: HEARTBEAT_MS,
        maxOperations,
        ways: store.ways.filter(isReachable).map(wayToWire),
      };
      yield { event: { case: "attached", value: attached } };
      yield* session.events(HEARTBEAT_MS);
    } finally {
      signal.removeEventListener("abort", end);
      session.end();
      this.#sessions.delete(session.key);
      logger.info("A worker has left", { worker: name });
    }
  }

  /**
   * `SessionService.Batch`.
   *
   * @throws {ConnectError} `failed_precondition` for a session that is not, or no longer, there; `invalid_argument` for too many operations
   */
  async batch(
    { session: id, operations }: BatchRequest,
    context: HandlerContext,
  ): Promise<MessageInitShape<typeof BatchResponseSchema>> {
    const session = this.#sessions.get(referenceKey(id));
    if (session === undefined) {
      // Not shown: it is a secret.
      const text =
        "Cannot run operations: the session must be one of this start of the node, got another or one that has ended";
      throw fault(text, Code.FailedPrecondition, { reason: "NOT_ATTACHED" });
    }
    const { limits: { maxOperations } } = this.#host;
    if (operations.length > maxOperations) {
      const text = `Cannot run operations: a batch may hold at most ${maxOperations}, got ${operations.length}`;
      throw fault(text, Code.InvalidArgument);
    }
    return { results: await runOperations({ ...this.#host, session, context }, operations) };
  }

  /** Ends all sessions, and takes no more. */
  [Symbol.dispose](): void {
    this.#closed = true;
    for (const unwatch of this.#unwatch.splice(0)) unwatch();
    for (const session of this.#sessions.values()) session.end();
  }
}
