import type { Logger } from "../../bus/logger.ts";
import type { DataPlane } from "../../data/data-plane.ts";
import { socketPathOf } from "../../data/node-socket.ts";
import type { TensorStore } from "../../data/store.ts";
import { pulledHandler, shmHandler } from "../../data/way-shm.ts";
import type { SampledMetric } from "../../telemetry/metrics/registry.ts";
import type { Session } from "./session.ts";
import { SidecarHome } from "./sidecar-home.ts";
import { SidecarLink } from "./sidecar-link.ts";
import { sidecarMetrics } from "./sidecar-metrics.ts";

/** What a worker gives to join its node's sidecar. */
export interface JoinOptions {
  /** `unix:/path/to/node.sock`. */
  readonly sidecar: string;
  /** Bytes of the worker's own segment; 0 is the node's default. */
  readonly segmentBytes: number;
  readonly name: string;
  /** Reads the node's tensors where they are from then on, and changes their leases over the session. */
  readonly data: DataPlane;
  /** The worker's own store, for when there is no sidecar. */
  readonly store: TensorStore;
  readonly logger: Logger;
  /** Told of each session that begins, and, with `undefined`, that it has ended. */
  readonly onChange?: (session: Session | undefined) => void;
}

/** A worker's part in its node's sidecar. */
export interface JoinedSidecar {
  /** Where outputs are made. */
  readonly home: SidecarHome;
  /** The session; `undefined` while there is none. */
  readonly link: SidecarLink;
  /** What is counted of it. */
  readonly metrics: readonly SampledMetric[];
}

/**
 * Attaches to the node's sidecar.
 *
 * @throws {ConnectError} `invalid_argument` for an address that is none
 */
export async function joinSidecar(options: JoinOptions): Promise<JoinedSidecar> {
  const { data, store, segmentBytes, name, logger } = options;
  const socket = socketPathOf("Cannot attach to the sidecar", options.sidecar);
  let current: Session | undefined;
  data.addHandler(shmHandler(() => current));
  data.addHandler(pulledHandler(() => current));
  const onChange = (session: Session | undefined) => {
    if (current !== undefined) data.removeNear(current);
    if (session !== undefined) data.addNear(session);
    current = session;
    options.onChange?.(session);
  };
  const link = await SidecarLink.start({ socket, name, segmentBytes, logger, onChange });
  const home = new SidecarHome(() => link.session, store);
  return { link, home, metrics: sidecarMetrics({ link, home }) };
}
