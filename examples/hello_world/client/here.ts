import type { Client } from "../../../mod.ts";
import { prepare } from "./connect-client.ts";
import type { ClientFlags } from "./options.ts";
import type { ClientProgress, ClientReport } from "./report.ts";
import { runRequests } from "./run-requests.ts";

/** Runs clients in this process, all at once; resolves with what became of each. */
export async function runClientsHere(
  flags: ClientFlags,
  options: {
    connect(): Client | Promise<Client>;
    readonly onReady?: () => void;
    readonly onProgress: (progress: ClientProgress) => void;
    readonly signal: AbortSignal;
  },
): Promise<ClientReport[]> {
  const { onReady, onProgress, signal } = options;
  const startedAt = performance.now();
  const connections = await Promise.all(Array.from({ length: flags.clients }, async () => {
    const connection = await options.connect();
    await prepare(connection, flags, performance.now() + flags["wait-ms"], signal);
    return connection;
  }));
  try {
    const warmUp = { ...flags, "requests-per-client": flags["warm-up"] };
    await Promise.all(connections.map((connection, client) => runRequests({ client, flags: warmUp, connection, signal })));
    const startUpMs = performance.now() - startedAt;
    onReady?.();
    return await Promise.all(connections.map(async (connection, client) => {
      return { ...await runRequests({ client, flags, connection, onProgress, signal }), startUpMs };
    }));
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
  }
}
