/** Fetches a URL over and over: the load's target. */
import { measure } from "../lib/measure.ts";
import { serveLoads } from "../lib/program.ts";

await serveLoads((load) =>
  measure(load, async () => {
    const body = await (await fetch(load.target)).arrayBuffer();
    if (body.byteLength !== load.payloadBytes) throw new Error(`${body.byteLength} bytes came`);
  })
);
