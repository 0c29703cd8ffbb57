/** Where log records go. Libraries are silent unless given one; `console` fits, and so does pino. */
export interface Logger {
  /** What a developer wants to see. */
  debug(message: string, fields?: Record<string, unknown>): void;
  /** What an operator wants to see. */
  info(message: string, fields?: Record<string, unknown>): void;
  /** What went wrong and was dealt with. */
  warn(message: string, fields?: Record<string, unknown>): void;
  /** What went wrong and was not. */
  error(message: string, fields?: Record<string, unknown>): void;
}

/** The default logger: says nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
