import { type Findings, type RunOptions, runSections } from "../../lib/suite.ts";
import { httpGet } from "./http-get.ts";
import { memcpy } from "./memcpy.ts";
import { sameHost } from "./same-host.ts";
import { ucxBandwidth } from "./ucx-bandwidth.ts";
import { ucxConcurrent } from "./ucx-concurrent.ts";
import { ucxDeath } from "./ucx-death.ts";
import { ucxLatency } from "./ucx-latency.ts";
import { ucxUnplugged } from "./ucx-unplugged.ts";

/** What tensors cost on their way from their owner to a reader. */
export function dataPlane(options: RunOptions): Promise<Findings> {
  return runSections([
    { name: "memcpy", run: memcpy },
    { name: "http-get", run: httpGet },
    { name: "same-host", run: sameHost },
    { name: "ucx-bandwidth", run: ucxBandwidth },
    { name: "ucx-latency", run: ucxLatency },
    { name: "ucx-concurrent", run: ucxConcurrent },
    { name: "ucx-death", run: ucxDeath },
    { name: "ucx-unplugged", run: ucxUnplugged },
  ], options);
}
