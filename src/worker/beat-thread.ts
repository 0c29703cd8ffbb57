/**
 * The thread that beats for a worker, over a connection of its own: an operator that blocks the worker's loop does not lose
 * its request to another worker. It stops when the loop has been silent for too long.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { connectBus } from "../bus/connect.ts";
import type { BusOptions } from "../bus/options.ts";
import { BEAT_INTERVAL_MS, IN_PROGRESS } from "../rpc/beats.ts";
import { FRAME_HEADER } from "../rpc/frame.ts";
import { BeatTable } from "./beat-table.ts";

/** What the thread is started with. */
export interface BeatThreadData {
  readonly servers: readonly string[];
  readonly options: BusOptions;
  readonly buffer: SharedArrayBuffer;
  readonly goneSubject: string;
  readonly stallMs: number;
}

const EMPTY = new Uint8Array(0);
const { servers, options, buffer, goneSubject, stallMs } = workerData as BeatThreadData;
const table = new BeatTable(buffer);
const bus = await connectBus(servers, options);

bus.subscribe(`${goneSubject}*`, (message) => {
  if (message.status === 503) parentPort?.postMessage({ gone: Number(message.subject.slice(goneSubject.length)) });
});
await bus.flush();

let ticks = table.ticks;
let tickedAt = performance.now();
const timer = setInterval(() => {
  const now = performance.now();
  if (table.ticks !== ticks) {
    ticks = table.ticks;
    tickedAt = now;
  }
  if (now - tickedAt > stallMs || !bus.connected) return;
  for (const { handle, ageSeconds, stored, beat } of table.read()) {
    if (ageSeconds < 1) continue;
    if (stored && beat.progressSubject !== undefined) bus.publish(beat.progressSubject, IN_PROGRESS);
    if (beat.answerSubject === undefined) continue;
    bus.publish(beat.answerSubject, EMPTY, { headers: { [FRAME_HEADER]: beat.header }, reply: `${goneSubject}${handle}` });
  }
}, BEAT_INTERVAL_MS);

parentPort?.on("message", () => {
  clearInterval(timer);
  void bus.close().then(() => parentPort?.close());
});
parentPort?.postMessage({ ready: true });
