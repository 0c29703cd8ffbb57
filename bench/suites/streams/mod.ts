import { type Findings, type RunOptions, runSections } from "../../lib/suite.ts";

/** Streams, operators and clients in large numbers. */
export function streams(options: RunOptions): Promise<Findings> {
  return runSections([], options);
}
