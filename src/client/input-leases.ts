import type { RemoteTensor } from "../data/remote-tensor.ts";

const MAX_KEEP_ALIVE_MS = 24 * 3600 * 1000;
/** The owner's clock may differ from ours: the expiry of a descriptor is only its hint. */
const LEASE_MARGIN_MS = 30_000;

/** How long a request's inputs have to be there, and for whom. */
export interface InputLives {
  /** Of what is posted: inputs that are stored for it are its alone. */
  readonly once?: boolean;
  /** Its deadline. Default 60,000 ms for a call, none for what is posted. */
  readonly timeoutMs?: number | undefined;
}

/** How long a request's inputs must be there: until its deadline. */
export function neededMs({ once, timeoutMs = once === true ? Infinity : 60_000 }: InputLives): number {
  // Leases last whole milliseconds.
  return Math.ceil(Math.min(timeoutMs, MAX_KEEP_ALIVE_MS)) + LEASE_MARGIN_MS;
}

/** The far side must still find the bytes when its turn comes: a lease that would end before is renewed first. */
export async function keepAlive(tensor: RemoteTensor, leaseMs: number, signal: AbortSignal | undefined): Promise<void> {
  const { expiresAtMs } = tensor.waybill;
  if (expiresAtMs === 0 || expiresAtMs - Date.now() < leaseMs) await tensor.touch({ leaseMs, signal });
}
