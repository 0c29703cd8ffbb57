import process from "node:process";
import { createInterface } from "node:readline";
import type { Load, Measured } from "./measure.ts";

/** A measuring program: reads one load per line on standard input, writes one result per line. Ends with its input. */
export function serveLoads(run: (load: Load) => Promise<Measured>): Promise<never> {
  return serveRequests(run);
}

/** The same for requests of any kind. Says that it is ready first. */
export async function serveRequests<Request>(run: (request: Request) => unknown): Promise<never> {
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as Request))}\n`);
    } catch (error) {
      process.stdout.write(`${JSON.stringify({ error: String(error) })}\n`);
    }
  }
  process.exit(0);
}
