/** What the broker says about a delivery in the subject that acknowledges it. */
export interface DeliveryFacts {
  readonly stream: string;
  readonly deliveries: number;
  readonly seq: number;
  /** When it was stored, milliseconds since the epoch on the broker's clock. */
  readonly storedAtMs: number;
}

/**
 * Reads `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<nanoseconds>.<pending>[.<token>]`
 * (https://github.com/nats-io/nats-architecture-and-design, ADR-15).
 */
export function parseAckSubject(subject: string | undefined): DeliveryFacts | undefined {
  const tokens = subject?.split(".");
  if (tokens === undefined || tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  const first = tokens.length >= 11 ? 6 : tokens.length === 9 ? 4 : -1;
  if (first < 0) return undefined;
  const deliveries = Number(tokens[first]);
  const seq = Number(tokens[first + 1]);
  const storedAtMs = Number(tokens[first + 3]) / 1e6;
  const stream = tokens[first - 2] as string;
  return Number.isFinite(deliveries + seq + storedAtMs) ? { stream, deliveries, seq, storedAtMs } : undefined;
}
