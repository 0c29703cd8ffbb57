import { type Findings, type RunOptions, runSections } from "../../lib/suite.ts";
import { httpGet } from "./http-get.ts";
import { sameHost } from "./same-host.ts";

/** What tensors cost on their way from their owner to a reader. */
export function dataPlane(options: RunOptions): Promise<Findings> {
  return runSections([
    { name: "http-get", run: httpGet },
    { name: "same-host", run: sameHost },
  ], options);
}
