/**
 * A streaming hello world: clients get their answers piece by piece, from two or more workers.
 *
 *     npx bun examples/hello_world/stream.ts [--workers 3] [--clients 6] [--request-plane memory]
 *
 * @module
 */
import process from "node:process";
import { type Client, connect, ConnectError } from "../../mod.ts";
import { defineDeployment, startDeployment, type WorkerRuntime } from "../../src/deployment/mod.ts";
import { type Answer, listen } from "./streaming/listen.ts";
import { speller } from "./streaming/speller.ts";
import { type Flags, flagsOrExit, numberFlag, textFlag } from "./support/flags.ts";
import { startInMemory } from "./support/memory-deployment.ts";

interface StreamFlags {
  readonly "request-plane": "nats" | "memory";
  readonly "workers": number;
  readonly "clients": number;
  readonly "delay-ms": number;
  readonly "text": string;
  readonly "runtime": WorkerRuntime;
}

const FLAGS: Flags<StreamFlags> = {
  "request-plane": textFlag("what joins the workers: a nats-server, or this process alone", "nats", ["nats", "memory"]),
  "workers": numberFlag("workers", 2, { min: 1, whole: true }),
  "clients": numberFlag("clients, each with a connection of its own", 4, { min: 1, whole: true }),
  "delay-ms": numberFlag("time between two pieces", 50, { min: 0 }),
  "text": textFlag<string>("what the workers say", "Hello world, here I come piece by piece!"),
  "runtime": textFlag<WorkerRuntime>("what runs the workers", "bun", ["bun", "deno", "node"]),
};

interface Running {
  /** Names of the workers by their instance ids. */
  readonly names: ReadonlyMap<string, string>;
  connect(): Client | Promise<Client>;
  stop(): Promise<number>;
}

async function start(flags: StreamFlags, signal: AbortSignal): Promise<Running> {
  const count = flags.workers;
  if (flags["request-plane"] === "memory") {
    const workers = Array.from({ length: count }, (_, number) => ({ name: `speller.${number}`, operators: [speller()] }));
    const running = await startInMemory(workers);
    const names = new Map(running.workers.map(({ instance, name }) => [instance, name]));
    return { names, connect: () => running.connect(), stop: () => running.stop() };
  }
  const file = new URL("./streaming/worker.ts", import.meta.url);
  const definition = defineDeployment({
    name: "streaming",
    runtime: flags.runtime,
    broker: { port: 0, websocketPort: false },
    startingMetricsPort: 0,
    workers: [{ name: "speller", file, count }],
  });
  const deployment = await startDeployment(definition, { file: import.meta.url, signal });
  const names = new Map(deployment.workers.map(({ instance = "", name }) => [instance, name]));
  return { names, connect: () => connect(deployment.urls), stop: () => deployment.stop() };
}

/** One client with a connection of its own. */
async function listenAlone(running: Running, flags: StreamFlags, client: number, signal: AbortSignal): Promise<Answer> {
  const connection = await running.connect();
  try {
    return await listen(connection, {
      client,
      text: flags.text,
      delayMs: flags["delay-ms"],
      signal,
      onPiece({ piece, from }) {
        console.log(`Client: ${client} Received Piece: ${JSON.stringify(piece)} From: ${running.names.get(from) ?? from}`);
      },
    });
  } finally {
    await connection.close();
  }
}

async function main(flags: StreamFlags, signal: AbortSignal): Promise<number> {
  console.log(`Starting Workers: ${flags.workers}`);
  const running = await start(flags, signal);
  try {
    const clients = Array.from({ length: flags.clients }, (_, client) => listenAlone(running, flags, client, signal));
    const results = await Promise.allSettled(clients);
    for (const [client, result] of results.entries()) {
      if (result.status === "rejected") {
        console.log(`Client: ${client} Error: ${ConnectError.from(result.reason).rawMessage}`);
        continue;
      }
      const { pieces, from, firstMs, lastMs } = result.value;
      const names = from.map((instance) => running.names.get(instance) ?? instance).join(", ") || "nobody";
      const times = `first after ${firstMs.toFixed(0)} ms, last after ${lastMs.toFixed(0)} ms`;
      console.log(`Client: ${client} Pieces: ${pieces} From: ${names} (${times})`);
    }
    return signal.aborted ? 0 : results.filter(({ status }) => status === "rejected").length;
  } finally {
    console.log("Stopping Workers");
    const exitCode = await running.stop();
    console.log(`Workers Stopped Exit Code ${exitCode}`);
  }
}

const what = "Clients get their answers piece by piece, from two or more workers.";
const flags = flagsOrExit("stream.ts", what, FLAGS, process.argv.slice(2));
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
try {
  process.exit(await main(flags, stop.signal));
} catch (error) {
  if (!stop.signal.aborted) console.error(`Exception: ${ConnectError.from(error).rawMessage}`);
  process.exit(stop.signal.aborted ? 0 : 1);
}
