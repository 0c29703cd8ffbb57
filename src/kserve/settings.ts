import { invalid, unsupported } from "./errors.ts";
import { Code, ConnectError } from "@connectrpc/connect";

/** Settings of the trace extension, all of them text. */
export interface TraceSettings {
  /** `OFF`, or some of `TIMESTAMPS` and `TENSORS`. */
  readonly trace_level: readonly string[];
  /** One of how many requests is traced. */
  readonly trace_rate: string;
  /** How many are traced in all; `-1` for no end. */
  readonly trace_count: string;
  /** Traces to a file; `0` for all in one. */
  readonly log_frequency: string;
  /** Where they go; `""` for nowhere. */
  readonly trace_file: string;
  /** `triton` or `opentelemetry`. */
  readonly trace_mode: string;
}

/** Settings of the logging extension. */
export interface LogSettings {
  /** Where it goes; `""` for the console. */
  readonly log_file: string;
  /** Whether it has what is for information. */
  readonly log_info: boolean;
  /** Whether it has warnings. */
  readonly log_warning: boolean;
  /** Whether it has errors. */
  readonly log_error: boolean;
  /** How much else it has; 0 for nothing. */
  readonly log_verbose_level: number;
  /** `default` or `ISO8601`. */
  readonly log_format: string;
}

/** Changes to trace settings; `null` of a model's takes the server's again. Unknown names are ignored. */
export type TracePatch = Readonly<Record<string, readonly string[] | null>>;

/** Trace and log settings, which others act on. */
export interface ServerSettings {
  /** Of a model, or the server's own for `""`, after a change of them. */
  trace(model: string, patch: TracePatch): TraceSettings;
  /** After a change of them. Unknown names are ignored. */
  log(patch: Readonly<Record<string, unknown>>): LogSettings;
}

const TRACE: TraceSettings = {
  trace_level: ["OFF"],
  trace_rate: "1000",
  trace_count: "-1",
  log_frequency: "0",
  trace_file: "",
  trace_mode: "triton",
};
const LOG: LogSettings = {
  log_file: "",
  log_info: true,
  log_warning: true,
  log_error: true,
  log_verbose_level: 0,
  log_format: "default",
};
const LEVELS = new Set(["OFF", "TIMESTAMPS", "TENSORS"]);

/**
 * Settings that are kept in memory, checked as Triton checks them. A server without a trace file cannot trace, and says so.
 *
 * @param onLog told of the log's settings after each change, to act on them
 */
export function memorySettings(onLog: (settings: LogSettings) => void = () => {}): ServerSettings {
  let log = LOG;
  const traces = new Map<string, Partial<TraceSettings>>();
  return {
    trace(model, patch) {
      const changed = { ...traces.get(model) };
      for (const name in patch) setTrace(changed, name, patch[name] ?? null);
      traces.set(model, changed);
      return { ...TRACE, ...traces.get(""), ...changed };
    },
    log(patch) {
      const changed = { ...log, ...checkedLog(patch) };
      if (Object.keys(patch).length > 0) onLog(changed);
      return log = changed;
    },
  };
}

function setTrace(settings: Partial<TraceSettings>, name: string, value: readonly string[] | null): void {
  if (name === "trace_file") throw unsupported("trace file location can not be updated through network protocol");
  if (!Object.hasOwn(TRACE, name) || name === "trace_mode") return;
  const key = name as keyof TraceSettings;
  if (value === null) {
    delete settings[key];
    return;
  }
  if (key === "trace_level") {
    const levels = value.filter((level) => LEVELS.has(level));
    if (levels.includes("OFF") && levels.length > 1) throw invalid("Expect only one trace level 'OFF' is specified");
    if (levels.some((level) => level !== "OFF")) {
      throw invalid("Attempting to set invalid trace setting :trace file name is not given");
    }
    return;
  }
  const [text = ""] = value;
  if (!/^-?[0-9]{1,18}$/.test(text)) throw invalid(`Unable to parse '${name}', got: ${text}`);
  Object.assign(settings, { [key]: text });
}

function checkedLog(patch: Readonly<Record<string, unknown>>): Partial<LogSettings> {
  const checked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(patch)) {
    if (!Object.hasOwn(LOG, name)) continue;
    if (name === "log_file") throw unsupported("log file location can not be updated through network protocol");
    if (name === "log_format" && value !== "default" && value !== "ISO8601") {
      throw new ConnectError(`invalid argument for --log_format, got: ${String(value)}`, Code.Unavailable);
    }
    const wanted = kindOf(LOG[name as keyof LogSettings]);
    if (kindOf(value) !== wanted) throw invalid(`Unable to parse '${name}': attempt to access JSON non-${wanted} as ${wanted}`);
    checked[name] = value;
  }
  return checked;
}

function kindOf(value: unknown): string {
  return typeof value;
}
