import process from "node:process";

const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
const home = "\x1b[H";
const toLineEnd = "\x1b[K";
const toScreenEnd = "\x1b[J";
/** `q`, `Q`, Ctrl-C and Ctrl-D as bytes: a terminal in raw mode makes no signals of them. */
const quitKeys = [0x71, 0x51, 0x03, 0x04];

/** Shows lines until it is left: the whole terminal where there is one, else one after the other. */
export interface Screen {
  /** Fires when the user wants to leave: `q`, Ctrl-C, a signal, or nobody reads any more. */
  readonly left: AbortSignal;
  /** Shows these lines in place of those before. */
  show(lines: readonly string[]): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

/**
 * Takes the terminal, where standard output is one.
 *
 * @param plain leaves it as it is
 */
export function openScreen(plain: boolean): Screen {
  const left = new AbortController();
  const { stdin, stdout } = process;
  const leaving = () => left.abort();
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, leaving);
  // Such as `waybill top | head`.
  stdout.on("error", leaving);
  const isTerminal = stdout.isTTY && !plain;
  const onKey = (key: Uint8Array) => {
    if (quitKeys.some((quit) => key.includes(quit))) leaving();
  };
  const takesKeys = isTerminal && stdin.isTTY;
  if (takesKeys) {
    stdin.setRawMode(true);
    stdin.on("data", onKey);
  }
  if (isTerminal) stdout.write(enter);
  const close = () => {
    for (const signal of signals) process.off(signal, leaving);
    if (takesKeys) {
      stdin.off("data", onKey);
      stdin.setRawMode(false);
      stdin.pause();
    }
    if (isTerminal) stdout.write(leave);
  };
  const show = (lines: readonly string[]) => {
    if (!isTerminal) return void stdout.write(`${lines.join("\n")}\n`);
    // Some terminals say 0.
    const [rows, columns] = [stdout.rows || 24, stdout.columns || 80];
    const fitting = lines.slice(0, rows - 1).map((line) => line.slice(0, columns) + toLineEnd);
    stdout.write(`${home}${fitting.join("\r\n")}${toScreenEnd}`);
  };
  return { left: left.signal, show, close };
}
