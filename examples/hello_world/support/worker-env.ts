import type { StageSettings } from "../operators/mod.ts";
import { parseNumber, UsageError } from "./flags.ts";

/** Where the instances of an operator are to run. */
export type InstanceKind = "CPU" | "GPU";

/** What is said wherever a GPU is asked for: the work of these operators is plain TypeScript. */
export const GPU_NOTICE = "instance kind GPU was asked for, but these operators have no GPU code: they run on the CPU";

const NAMES = {
  delay: "HELLO_DELAY",
  inputCopies: "HELLO_INPUT_COPIES",
  maxInflight: "HELLO_MAX_INFLIGHT",
  instances: "HELLO_INSTANCES",
} as const;

/** Settings as a worker's environment. */
export function envOf(settings: StageSettings, kind: InstanceKind): Record<string, string> {
  const env: Record<string, string> = { HELLO_KIND: kind };
  for (const [key, name] of Object.entries(NAMES)) {
    const value = settings[key as keyof typeof NAMES];
    if (value !== undefined) env[name] = String(value);
  }
  return env;
}

/**
 * A worker's settings from its environment. Where a GPU is asked for it warns, and goes on with the CPU.
 *
 * @throws {UsageError} naming the variable, what was seen and what was wanted
 */
export function settingsFrom(env: Readonly<Record<string, string | undefined>>): StageSettings {
  const read = (name: string, limits: { min: number; whole?: boolean }): number | undefined => {
    const text = env[name];
    if (text === undefined || text === "") return undefined;
    try {
      return parseNumber(text, limits);
    } catch (error) {
      throw error instanceof UsageError ? new UsageError(`Variable ${name} ${error.message}`) : error;
    }
  };
  if (env.HELLO_KIND === "GPU") console.warn(`Warning: ${GPU_NOTICE}`);
  return {
    delay: read(NAMES.delay, { min: 0 }),
    inputCopies: read(NAMES.inputCopies, { min: 1, whole: true }),
    maxInflight: read(NAMES.maxInflight, { min: 1, whole: true }),
    instances: read(NAMES.instances, { min: 1, whole: true }),
  };
}
