import { type Findings, type RunOptions, runSections } from "../../lib/suite.ts";
import { idleSlots } from "./idle-slots.ts";
import { inFlight } from "./in-flight.ts";
import { observation } from "./observation.ts";
import { payload } from "./payload.ts";
import { redelivery } from "./redelivery.ts";
import { scaleUp } from "./scale-up.ts";
import { workers } from "./workers.ts";

/** The durable queue: throughput, how slots are used, and how fast it reacts. */
export function queue(options: RunOptions): Promise<Findings> {
  return runSections([
    { name: "in-flight", run: inFlight },
    { name: "payload", run: payload },
    { name: "workers", run: workers },
    { name: "idle-slots", run: idleSlots },
    { name: "redelivery", run: redelivery },
    { name: "scale-up", run: scaleUp },
    { name: "observation", run: observation },
  ], options);
}
