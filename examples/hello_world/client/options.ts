import { DEFAULT_TCP_URL } from "../../../mod.ts";
import { type OperatorName, OPERATORS } from "../operators/mod.ts";
import { defaultsOf, type Flags, numberFlag, switchFlag, textFlag } from "../support/flags.ts";

/** What the client was told. */
export interface ClientFlags {
  readonly "request-plane-uri": string;
  readonly "requests-per-client": number;
  readonly "operator": OperatorName;
  readonly "input-size-mean": number;
  readonly "input-size-stdev": number;
  readonly "clients": number;
  readonly "inline": boolean;
  readonly "in-flight": number;
  readonly "timeout-ms": number;
  readonly "wait-ms": number;
  readonly "warm-up": number;
  readonly "json": boolean;
}

/** What one client does. */
export interface ClientTask {
  readonly client: number;
  readonly flags: ClientFlags;
}

const count = { min: 0, whole: true };
const positive = { min: 1, whole: true };

/** What the client can be told, with the original's flags first. */
export const CLIENT_FLAGS: Flags<ClientFlags> = {
  "request-plane-uri": textFlag<string>("broker to use", DEFAULT_TCP_URL),
  "requests-per-client": numberFlag("requests that each client sends", 100, count),
  "operator": textFlag("operator to call", "encoder_decoder", OPERATORS),
  "input-size-mean": numberFlag("elements per request", 1000, count),
  "input-size-stdev": numberFlag("standard deviation of the elements per request, never below 0", 0, { min: 0 }),
  "clients": numberFlag("clients at once, each a process of its own", 1, positive),
  "inline": switchFlag("send tensors in messages; otherwise by reference"),
  "in-flight": numberFlag("requests that a client waits for at once; the original posts all, then reads", 1, positive),
  "timeout-ms": numberFlag("how long a request may take", 60_000, positive),
  "wait-ms": numberFlag("how long to wait for the broker and for the operators", 30_000, count),
  "warm-up": numberFlag("requests that each client sends first and does not count", 0, count),
  "json": switchFlag("print one JSON document instead"),
};

/** The default flags with some changed. */
export function clientFlags(changed: Partial<ClientFlags> = {}): ClientFlags {
  return { ...defaultsOf(CLIENT_FLAGS), ...changed };
}
