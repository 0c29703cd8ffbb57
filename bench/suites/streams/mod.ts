import { type Findings, type RunOptions, runSections } from "../../lib/suite.ts";
import { idleClients } from "./idle-clients.ts";
import { manyOperators } from "./many-operators.ts";
import { manyStreams } from "./many-streams.ts";

/** Streams, operators and clients in large numbers. */
export function streams(options: RunOptions): Promise<Findings> {
  return runSections([
    { name: "many-streams", run: manyStreams },
    { name: "many-operators", run: manyOperators },
    { name: "idle-clients", run: idleClients },
  ], options);
}
