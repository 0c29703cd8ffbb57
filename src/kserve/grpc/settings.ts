import type {
  LogSettingsRequest,
  LogSettingsResponse_SettingValue,
  TraceSettingRequest,
  TraceSettingResponse_SettingValue,
} from "../../../gen/inference/management_pb.ts";
import type { LogSettings, TracePatch, TraceSettings } from "../settings.ts";

/** Changes of trace settings out of a message; one without a value takes the server's again. */
export function tracePatch({ settings }: TraceSettingRequest): TracePatch {
  return Object.fromEntries(
    Object.entries(settings).map(([name, { value }]) => [name, value.length === 0 ? null : value]),
  );
}

/** Trace settings as a message has them. */
export function traceMessage(settings: TraceSettings): Record<string, TraceSettingResponse_SettingValue> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]: [string, string | readonly string[]]) => [
      name,
      {
        $typeName: "inference.TraceSettingResponse.SettingValue",
        value: typeof value === "string" ? [value] : [...value],
      },
    ]),
  );
}

/** Changes of log settings out of a message. */
export function logPatch({ settings }: LogSettingsRequest): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).map(([name, { parameterChoice }]) => [name, parameterChoice.value]));
}

/** Log settings as a message has them. */
export function logMessage(settings: LogSettings): Record<string, LogSettingsResponse_SettingValue> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]: [string, string | boolean | number]) => [
      name,
      { $typeName: "inference.LogSettingsResponse.SettingValue", parameterChoice: choice(value) },
    ]),
  );
}

function choice(value: string | boolean | number): LogSettingsResponse_SettingValue["parameterChoice"] {
  if (typeof value === "boolean") return { case: "boolParam", value };
  return typeof value === "string" ? { case: "stringParam", value } : { case: "uint32Param", value };
}
