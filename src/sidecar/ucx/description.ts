/** A connection of a wire. */
export interface UcxEndpoint {
  /** The peer's listener; `undefined` for a peer that connected to ours. */
  readonly address: string | undefined;
  /** Whether the peer has been reached. */
  readonly established: boolean;
  /** Which transport on which device carries what, such as `"tcp/eth0: am rma_bw#0"`; messages go by `am`. */
  readonly lanes: readonly string[];
}

/** What a wire is. */
export interface UcxDescription {
  /** Where the library lies. */
  readonly library: string;
  /** Its version. */
  readonly version: string;
  /** Where it listens, as others are told. */
  readonly address: string;
  /** Transports that it has, such as `"tcp"`, sorted. */
  readonly transports: readonly string[];
  /** Devices that they use, such as `"eth0"`, sorted. */
  readonly devices: readonly string[];
  /** Connections. */
  readonly endpoints: readonly UcxEndpoint[];
  /**
   * Whether a peer in another network namespace of this host uses shared memory: its wake-ups do not arrive, and the thread looks
   * a thousand times a second instead. `UCX_TLS=tcp` avoids that.
   */
  readonly wakeUpsLost: boolean;
}

/** Reads what `ucp_context_print_info` and `ucp_ep_print_info` print. */
export function readDescription(
  text: string,
  addressOf: (peer: number) => string | undefined,
): Pick<UcxDescription, "transports" | "devices" | "endpoints" | "wakeUpsLost"> {
  const transports = new Set<string>();
  const devices = new Set<string>();
  const endpoints: { address: string | undefined; established: boolean; lanes: string[] }[] = [];
  for (const line of text.split("\n")) {
    const resource = /resource\s+\d+\s*:.*--\s*([^/\s]+)\/(\S+)/.exec(line);
    const lane = /lane\[\d+\]:\s*\d+:([^/\s]+\/\S+?)(?:\.\d+)?\s+md\[\d+\].*->\s*\S+\s*(?:seg \d+\s*)?(.*)$/.exec(line);
    const endpoint = /^@endpoint (-?\d+) (\w+)$/.exec(line);
    if (resource !== null) {
      transports.add(resource[1]!);
      devices.add(resource[2]!);
    } else if (endpoint !== null) {
      endpoints.push({ address: addressOf(Number(endpoint[1])), established: endpoint[2] === "established", lanes: [] });
    } else if (lane !== null) {
      endpoints.at(-1)?.lanes.push(`${lane[1]}: ${lane[2]!.trim()}`);
    }
  }
  return {
    transports: [...transports].sort(),
    devices: [...devices].sort(),
    endpoints,
    wakeUpsLost: /^@wake-ups-lost$/m.test(text),
  };
}
