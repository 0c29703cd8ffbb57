import process from "node:process";
import { pino } from "pino";
import pretty from "pino-pretty";
import type { Logger } from "../bus/logger.ts";

/**
 * The logger of a program: readable on a terminal, JSON lines elsewhere; `WAYBILL_LOG_LEVEL` sets the level (default `info`).
 *
 * @param readable whether it is for people. Default: where standard output is a terminal
 */
export function programLogger(env: Record<string, string | undefined>, readable: boolean = process.stdout.isTTY): Logger {
  const level = env.WAYBILL_LOG_LEVEL ?? "info";
  const base = env.WAYBILL_NAME === undefined ? undefined : { worker: env.WAYBILL_NAME };
  // Synchronous: what a program says before it ends must not be lost in a buffer.
  const stream = readable ? pretty({ sync: true, ignore: "pid,hostname" }) : pino.destination({ fd: 1, sync: true });
  const log = pino({ level, base: base ?? null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  const at = (method: "debug" | "info" | "warn" | "error") => (message: string, fields: Record<string, unknown> = {}) =>
    log[method](fields, message);
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
