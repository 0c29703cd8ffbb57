/**
 * Sends requests to the hello world and checks every answer.
 *
 *     node examples/hello_world/client.ts [--requests-per-client N] [--clients N] [--inline] …
 *
 * @module
 */
import process from "node:process";
import { CLIENT_FLAGS } from "./client/options.ts";
import { runClients } from "./client/run-clients.ts";
import { flagsOrExit } from "./support/flags.ts";

const what = "Sends requests to the operators of the hello world, and checks every answer.";
const flags = flagsOrExit("client.ts", what, CLIENT_FLAGS, process.argv.slice(2));
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
process.exitCode = await runClients(flags, stop.signal);
