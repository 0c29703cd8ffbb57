// Real processes: what the test itself runs on makes no difference. Each takes a minute and mostly waits, so they run at the same time.
import process from "node:process";
import { describe, test } from "bun:test";
import { churn } from "./churn.ts";
import { outage } from "./outage.ts";
import { together } from "./together.ts";

/** Longer than every time after which something is given up: the longest are pull requests, of 30 s. `OUTAGE_MS` makes it another. */
const longMs = Number(process.env.OUTAGE_MS ?? 60_000);

describe("requests", () => {
  const rule = "that run, wait and stream end once each: those on disk well, those in memory well or as of unknown outcome";
  const tests = together({
    [`${rule}, when the broker is restarted in good order`]: (world) => outage(world, 0, "ended"),
    [`${rule}, when the broker is killed and started again`]: (world) => outage(world, 0, "killed"),
    [`${rule}, when the broker is away for ${longMs / 1000} s, and none begins after its deadline`]: (world) =>
      outage(world, longMs, "killed"),
    "are executed exactly once each, 20,000 of them and more, while workers are added and removed": (world) =>
      churn(world, 20_000),
  });
  for (const [name, body] of tests) test(name, body, longMs + 180_000);
});
