/**
 * Tensors where they are: the store of a process, and the ways to fetch from other owners. What serves a store over HTTP is in
 * `server.ts`, so that bundles for browsers stay without it.
 *
 * @module
 */
export { type Allocation, Allocator } from "./arena/allocator.ts";
export { Arena } from "./arena/arena.ts";
export { DataPlane } from "./data-plane.ts";
export { HeldTensor, PinHolder, TensorPin } from "./held-tensor.ts";
export { nodeService, nodeServiceSpec } from "./node-service.ts";
export { isRemoteTensor, RemoteTensor } from "./remote-tensor.ts";
export { AllocatedTensor, Reservation } from "./reservations.ts";
export { TensorStore } from "./store.ts";

export type { ArenaOptions, Segment } from "./arena/arena.ts";
export type { DataPlaneOptions, FetchedTensor, PutTarget, PutTensorOptions } from "./data-plane.ts";
export type { CallOptions } from "../rpc/deadline.ts";
export type { FetchedBytes, FetchOptions } from "./fetch-tensor.ts";
export type { AllocateOptions, MemoryBlock, MemoryLocation, MemoryUsage, TensorMemory } from "./memory.ts";
export type { NodeServiceOptions } from "./node-service.ts";
export type { HttpTarget } from "./put-tensor.ts";
export type { StoreLease, StoreObserver } from "./store-observer.ts";
export type {
  LeaseListing,
  PutOptions,
  ReleaseOptions,
  ReserveOptions,
  ShareOptions,
  StoreDescription,
  StoredTensor,
  StoreWay,
  TensorProof,
  TensorStoreOptions,
} from "./store-types.ts";
export type { AnyWay, LocalWay, ReadRequest, WayHandler, WayKind } from "./way-handler.ts";
