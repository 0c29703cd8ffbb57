import process from "node:process";
import { createInterface } from "node:readline";
import type { Load, Measured } from "./measure.ts";

/** A measuring program: reads one load per line on standard input, writes one result per line. Ends with its input. */
export async function serveLoads(run: (load: Load) => Promise<Measured>): Promise<void> {
  process.stdout.write(`${JSON.stringify({ ready: true })}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as Load))}\n`);
    } catch (error) {
      process.stdout.write(`${JSON.stringify({ error: String(error) })}\n`);
    }
  }
  process.exit(0);
}
