/**
 * The thread that beats for a worker, over a connection of its own: an operator that blocks the worker's loop does not lose
 * its request to another worker. It stops when the loop has been silent for too long.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { connectBus } from "../bus/connect.ts";
import type { BusOptions } from "../bus/options.ts";
import { BEAT_INTERVAL_MS, BeatPace, IN_PROGRESS, MAX_SPARED_BEATS } from "../rpc/beats.ts";
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
const MAX_UNHEARD = 10_000;
const { servers, options, buffer, goneSubject, stallMs } = workerData as BeatThreadData;
const table = new BeatTable(buffer);
/** Heartbeats in a row that were left out, by handle. */
let spared = new Map<number, number>();
/** Whose caller did not listen: there no heartbeat is left out. */
const unheard = new Set<number>();
const bus = await connectBus(servers, options);

bus.subscribe(`${goneSubject}*`, (message) => {
  if (message.status !== 503) return;
  const gone = Number(message.subject.slice(goneSubject.length));
  unheard.add(gone);
  parentPort?.postMessage({ gone });
});
await bus.flush();

let ticks = table.ticks;
let tickedAt = performance.now();
const pace = new BeatPace();
let timer = setInterval(beat, pace.intervalMs);

function beat(): void {
  const now = performance.now();
  if (table.ticks !== ticks) {
    ticks = table.ticks;
    tickedAt = now;
  }
  if (now - tickedAt > stallMs || !bus.connected) return;
  const heartbeats = pace.isForHeartbeats(now);
  const sparedNow = new Map<number, number>();
  for (const { handle, ageMs, stored, beat } of table.read()) {
    if (stored && ageMs >= pace.intervalMs / 2 && beat.progressSubject !== undefined) {
      bus.publish(beat.progressSubject, IN_PROGRESS);
    }
    if (!heartbeats || ageMs < BEAT_INTERVAL_MS / 2 || beat.answerSubject === undefined) continue;
    if (table.hasSpoken(handle) && !unheard.has(handle)) {
      const before = spared.get(handle) ?? 0;
      if (before < MAX_SPARED_BEATS) {
        sparedNow.set(handle, before + 1);
        continue;
      }
    }
    bus.publish(beat.answerSubject, EMPTY, { headers: { [FRAME_HEADER]: beat.header }, reply: `${goneSubject}${handle}` });
  }
  if (!heartbeats) return;
  spared = sparedNow;
  // Handles are never used again.
  if (unheard.size > MAX_UNHEARD) unheard.clear();
}

parentPort?.on("message", (ackWaitMs: number) => {
  if (!pace.fitTo(ackWaitMs)) return;
  clearInterval(timer);
  timer = setInterval(beat, pace.intervalMs);
});
parentPort?.postMessage({ ready: true });
