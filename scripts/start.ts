/**
 * Runs the hello world: a broker that it finds or obtains, workers, clients, and a clean stop.
 *
 *     npm start -- [--request-plane memory] [--requests-per-client 1000] [--encoders 4 1 1 CPU] …
 *
 * @module
 */
import process from "node:process";
import { Code, ConnectError } from "../mod.ts";
import { runHelloWorld } from "../examples/hello_world/start.ts";
import { flagsOrExit } from "../examples/hello_world/support/flags.ts";
import { START_FLAGS } from "../examples/hello_world/support/start-flags.ts";

const what = "Runs the hello world: a broker, workers, clients by reference and inline, and a clean stop.";
const flags = flagsOrExit("npm start --", what, START_FLAGS, process.argv.slice(2));
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (!stop.signal.aborted) console.log("\nStopping Clients");
    stop.abort();
  });
}
try {
  process.exit(await runHelloWorld(flags, stop.signal));
} catch (error) {
  if (stop.signal.aborted) process.exit(0);
  const { rawMessage, code } = ConnectError.from(error);
  console.error(rawMessage);
  if (code === Code.NotFound && flags["request-plane"] === "nats") {
    console.error("\nWithout a broker this still works: npm start -- --request-plane memory");
  }
  process.exit(1);
}
