/**
 * The sidecar of a node, which owns tensors in shared memory and moves them: for programs of one's own. `waybill sidecar` runs one as a
 * program. Node only.
 *
 * @module
 */
export { runSidecar } from "./run-sidecar.ts";
export { startSidecar } from "./start-sidecar.ts";

export type { SidecarLimits } from "./limits.ts";
export type { SidecarOptions, SidecarUcxOptions } from "./options.ts";
export type { NativePart, NodeArena, NodeDescription, NodeFacts } from "./service/describe.ts";
export type { Sidecar } from "./sidecar.ts";
