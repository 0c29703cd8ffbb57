import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { type Program, startProgram } from "../support/program.ts";
import { openRelay, type Relay } from "../support/relay.ts";

/** A broker and a worker that serves what the behaviours call. */
export interface World {
  readonly broker: Broker;
  /** How clients reach the broker, in a way that can be cut. */
  readonly tcp: Relay;
  readonly websocket: Relay;
  stop(): Promise<void>;
}

/**
 * Starts a real broker and a real worker.
 *
 * @param allowedOrigin the one whose pages may use them; default none
 */
export async function startWorld(allowedOrigin?: string): Promise<World> {
  const broker = await launchNatsServer({ allowedOrigins: allowedOrigin === undefined ? [] : [allowedOrigin] });
  const opened: Relay[] = [];
  let worker: Program | undefined;
  const stop = async () => {
    await worker?.kill("SIGTERM");
    for (const relay of opened) await relay.close();
    await broker.stop();
  };
  try {
    const env: Record<string, string> = { WAYBILL_URL: broker.tcpUrl };
    if (allowedOrigin !== undefined) env.ALLOWED_ORIGIN = allowedOrigin;
    worker = startProgram("test/runtimes/worker.ts", [], { env });
    const [tcp, websocket] = [await openRelay(broker.tcpUrl), await openRelay(broker.wsUrl ?? "")];
    opened.push(tcp, websocket);
    await worker.waitFor(/Serving/, 60_000);
    return { broker, tcp, websocket, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
