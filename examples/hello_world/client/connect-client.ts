import { type Client, connect } from "../../../mod.ts";
import { OPERATORS } from "../operators/mod.ts";
import type { ClientFlags } from "./options.ts";

const POLL_MS = 50;
/** Once everyone is there, or will not come, a request need not wait for long again. */
const OPERATOR_WAIT_MS = 1_000;

/**
 * Connects, becomes an owner of tensors where they are sent by reference, and waits until someone serves what will be called: client
 * and deployment may be started at the same moment. When nobody comes in time, the requests will say so.
 */
export async function connectClient(flags: ClientFlags, signal?: AbortSignal): Promise<Client> {
  const until = performance.now() + flags["wait-ms"];
  const client = await connect(flags["request-plane-uri"], {
    name: "hello-world-client",
    waitOnFirstConnectMs: flags["wait-ms"],
    operatorWaitMs: OPERATOR_WAIT_MS,
    signal,
  });
  try {
    await prepare(client, flags, until, signal);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** The same for a client that is connected already. */
export async function prepare(client: Client, flags: ClientFlags, until: number, signal?: AbortSignal): Promise<void> {
  if (!flags.inline) await client.serveTensors({ http: flags["request-plane-uri"] !== "memory" });
  const wanted = flags.operator === "encoder_decoder" ? OPERATORS : [flags.operator];
  while (signal?.aborted !== true && performance.now() < until) {
    const served = await client.operators({ signal, timeoutMs: 1_000 }).catch(() => []);
    const names = served.filter(({ instances }) => instances.length > 0).map(({ name }) => name);
    if (wanted.every((name) => names.includes(name))) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
