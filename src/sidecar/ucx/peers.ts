import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { NativeAddon, UcxWireHandle } from "../../native/mod.ts";
import { parseUcxAddress } from "./address.ts";

/** Addresses that are remembered; the one that came first leaves first. */
const MAX_PEERS = 65_536;

/** Numbers of peers, by their listener's address. */
export class UcxPeers {
  readonly #addon: NativeAddon;
  readonly #wire: UcxWireHandle;
  readonly #numbers = new Map<string, number>();
  #next = 0;

  constructor(addon: NativeAddon, wire: UcxWireHandle) {
    this.#addon = addon;
    this.#wire = wire;
  }

  /**
   * The number of a peer, at once where its address is an IP address or was asked for before.
   *
   * @throws {ConnectError} `invalid_argument` for a bad address; whatever a name's look-up throws, by the promise
   */
  numberOf(address: string): number | Promise<number> {
    const known = this.#numbers.get(address);
    if (known !== undefined) return known;
    const { host, port } = parseUcxAddress(address);
    if (isIP(host) !== 0) return this.#add(address, host, port);
    return lookup(host).then((found) => this.#numbers.get(address) ?? this.#add(address, found.address, port));
  }

  /** The address of a number. */
  addressOf(peer: number): string | undefined {
    for (const [address, number] of this.#numbers) if (number === peer) return address;
    return undefined;
  }

  #add(address: string, host: string, port: number): number {
    if (this.#numbers.size >= MAX_PEERS) this.#numbers.delete(this.#numbers.keys().next().value as string);
    const peer = this.#next++;
    this.#addon.ucxAddPeer(this.#wire, peer, host, port);
    this.#numbers.set(address, peer);
    return peer;
  }
}
