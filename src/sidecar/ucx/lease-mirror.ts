import type { StoreLease } from "../../data/store-observer.ts";
import type { TensorStore } from "../../data/store.ts";
import { referenceKey } from "../../waybill/lease.ts";
import type { DeviceMemories } from "./device-memories.ts";
import type { UcxLease } from "./lease.ts";
import type { SegmentMemories } from "./segment-memories.ts";
import type { UcxWire } from "./wire.ts";

/** Publishes what a store leases, for as long as it does. Memory that is being sent from is pinned until that has ended. */
export class LeaseMirror implements Disposable {
  readonly #wire: UcxWire;
  readonly #memories: SegmentMemories;
  readonly #devices: DeviceMemories;
  readonly #published = new Map<string, UcxLease>();
  /** Leases on segments that are not registered yet, by the segment. */
  readonly #early = new Map<string, Map<string, StoreLease>>();
  readonly #unwatch: () => void;

  constructor(wire: UcxWire, memories: SegmentMemories, devices: DeviceMemories, store: TensorStore) {
    this.#wire = wire;
    this.#devices = devices;
    this.#memories = memories;
    memories.onAdded = (segment) => {
      const early = this.#early.get(segment);
      this.#early.delete(segment);
      for (const lease of early?.values() ?? []) this.#leased(lease);
    };
    this.#unwatch = store.watch({
      leased: (lease) => this.#leased(lease),
      renewed: ({ reference, expiresAtMs }) => this.#published.get(referenceKey(reference))?.renew(expiresAtMs),
      ended: (lease) => this.#ended(lease),
    });
  }

  [Symbol.dispose](): void {
    this.#unwatch();
  }

  #leased(lease: StoreLease): void {
    const { reference, bufferId: held, expiresAtMs, notAfterMs, leaseMs } = lease;
    const { location, dtype, shape, byteLength: byteSize } = held;
    const key = referenceKey(reference);
    const facts = { reference, byteSize, dtype, shape, expiresAtMs, notAfterMs, leaseMs };
    const onDevice = held.block && this.#devices.placeOf(held.block);
    if (onDevice !== undefined) this.#published.set(key, this.#wire.publish({ ...facts, ...onDevice }));
    if (location === undefined) return;
    const memory = this.#memories.of(location.segment);
    if (memory === undefined) {
      let early = this.#early.get(location.segment);
      if (early === undefined) this.#early.set(location.segment, early = new Map());
      early.set(key, lease);
      return;
    }
    this.#published.set(key, this.#wire.publish({ ...facts, memory, offset: location.offset }));
  }

  #ended({ reference, bufferId: held }: StoreLease): void {
    const key = referenceKey(reference);
    if (held.location !== undefined) this.#early.get(held.location.segment)?.delete(key);
    const published = this.#published.get(key);
    if (published === undefined) return;
    this.#published.delete(key);
    const sent = published.withdraw();
    if (sent === undefined) return;
    const pin = held.pin();
    void sent.finally(() => pin.release());
  }
}
