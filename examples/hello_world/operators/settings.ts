import { Code, ConnectError, type InferParameters, type ParameterValue } from "../../../mod.ts";

/** How the encoder or the decoder of one worker is set up. */
export interface StageSettings {
  /** Seconds of delay for each element of the output, unless a request says otherwise. Default 0. */
  readonly delay?: number;
  /** Copies of the input that the encoder makes and the decoder undoes, unless a request says otherwise. Default 5. */
  readonly inputCopies?: number;
  /** Requests that a worker holds at once. Default 1. */
  readonly maxInflight?: number;
  /** Requests that a worker works on at once; the others that it holds wait for their turn. Default 1. */
  readonly instances?: number;
}

/** The load that one request makes. */
export interface Load {
  readonly delay: number;
  readonly copies: number;
}

/** The original's models take five copies where nothing is said. */
export const DEFAULT_INPUT_COPIES = 5;

/**
 * The load of one request: its own parameters `delay` and `input_copies`, else the worker's settings. The settings are only read,
 * so that what one request asks for is nothing to the next one.
 *
 * @throws {ConnectError} `invalid_argument` for a parameter that makes no sense
 */
export function loadOf(settings: StageSettings, parameters: Readonly<InferParameters>): Load {
  const { delay = settings.delay ?? 0, input_copies: copies = settings.inputCopies ?? DEFAULT_INPUT_COPIES } = parameters;
  return {
    delay: numberOf("delay", "a number from 0", delay, (value) => value >= 0 && Number.isFinite(value)),
    copies: numberOf("input_copies", "an integer from 1", copies, (value) => Number.isSafeInteger(value) && value >= 1),
  };
}

/** The original gives both as strings, so strings are fine too. */
function numberOf(name: string, wanted: string, seen: ParameterValue, fits: (value: number) => boolean): number {
  const value = typeof seen === "boolean" || seen === "" ? NaN : Number(seen);
  if (fits(value)) return value;
  throw new ConnectError(`Cannot use parameter "${name}": it must be ${wanted}, got "${seen}"`, Code.InvalidArgument);
}
