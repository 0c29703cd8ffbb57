/** One flag of a program. */
export interface Flag<T> {
  /** What it does, for `--help`. */
  readonly help: string;
  /** What follows it, such as `["N"]`; none for a switch. */
  readonly values: readonly string[];
  readonly default: T;
  /** The default in words. Default: as it is. */
  readonly shown?: string;
  /** Makes the value of what was typed, or says what was wanted instead. */
  parse(texts: readonly string[]): T;
}

/** Flags by name, without the dashes, for values by name. */
export type Flags<T> = { readonly [K in keyof T]: Flag<T[K]> };

/** Thrown for a command line that makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A number within limits. */
export function numberFlag(
  help: string,
  fallback: number,
  limits: { min?: number; max?: number; whole?: boolean } = {},
): Flag<number> {
  return { help, values: ["N"], default: fallback, parse: ([text = ""]) => parseNumber(text, limits) };
}

/** A text, or one of some texts. */
export function textFlag<T extends string>(help: string, fallback: T, choices?: readonly T[]): Flag<T> {
  const parse = ([text = ""]: readonly string[]): T => {
    if (choices === undefined || choices.includes(text as T)) return text as T;
    throw new UsageError(`must be one of ${choices.join(", ")}, got "${text}"`);
  };
  return { help, values: [choices === undefined ? "TEXT" : choices.join("|")], default: fallback, parse };
}

/** Off unless given. */
export function switchFlag(help: string): Flag<boolean> {
  return { help, values: [], default: false, parse: () => true };
}

/** Reads a number. */
export function parseNumber(
  text: string,
  { min = -Infinity, max = Infinity, whole = false }: { min?: number; max?: number; whole?: boolean },
): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isFinite(value) && value >= min && value <= max && (!whole || Number.isSafeInteger(value))) return value;
  const limits = [min > -Infinity ? `from ${min}` : "", max < Infinity ? `to ${max}` : ""].filter(Boolean).join(" ");
  throw new UsageError(`must be ${whole ? "an integer" : "a number"}${limits && ` ${limits}`}, got "${text}"`);
}

/** What holds where nothing is given. */
export function defaultsOf<T extends object>(flags: Flags<T>): T & Record<string, unknown> {
  const known = flags as Readonly<Record<string, Flag<unknown>>>;
  return Object.fromEntries(Object.entries(known).map(([name, flag]) => [name, flag.default])) as T & Record<string, unknown>;
}

/**
 * Reads a command line.
 *
 * @throws {UsageError} naming the flag, what was seen and what was wanted
 */
export function readFlags<T extends object>(flags: Flags<T>, args: readonly string[]): T {
  const known = flags as Readonly<Record<string, Flag<unknown>>>;
  const values: Record<string, unknown> = defaultsOf(flags);
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, name = "", , attached] = /^--([^=]+)(=(.*))?$/s.exec(arg) ?? [];
    const flag = Object.hasOwn(known, name) ? known[name] : undefined;
    if (flag === undefined) throw new UsageError(`Unknown argument "${arg}"`);
    const texts = attached === undefined ? [] : [attached];
    while (texts.length < flag.values.length && rest[0] !== undefined && !rest[0].startsWith("--")) {
      texts.push(rest.shift() as string);
    }
    try {
      if (texts.length !== flag.values.length) {
        const wanted = flag.values.length === 0 ? "no value" : `${flag.values.length}: ${flag.values.join(" ")}`;
        throw new UsageError(`takes ${wanted}, got ${texts.length}`);
      }
      values[name] = flag.parse(texts);
    } catch (error) {
      throw error instanceof UsageError ? new UsageError(`Flag --${name} ${error.message}`) : error;
    }
  }
  return values as T;
}

/** The text of `--help`. */
export function usageOf<T extends object>(program: string, what: string, flags: Flags<T>): string {
  const rows = Object.entries<Flag<unknown>>(flags).map(
    ([name, { values, help, default: fallback, shown = String(fallback) }]) => {
      return [
        `  --${[name, ...values].join(" ")}`,
        values.length === 0 || shown === "" ? help : `${help} (default ${shown})`,
      ] as const;
    },
  );
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return [`Usage: ${program} [FLAGS]`, "", what, "", ...rows.map(([left, right]) => left.padEnd(width) + right)].join("\n");
}

/** The flags of this program; prints the usage and ends the program where they are wrong, or where help is asked for. */
export function flagsOrExit<T extends object>(
  program: string,
  what: string,
  flags: Flags<T>,
  args: readonly string[],
): T {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(usageOf(program, what, flags));
    process.exit(0);
  }
  try {
    return readFlags(flags, args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usageOf(program, what, flags)}`);
    process.exit(2);
  }
}
