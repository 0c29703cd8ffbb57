import process from "node:process";
import { styleText } from "node:util";
import { prettyFactory } from "pino-pretty";
import type { LogLine } from "./lines.ts";

const colors = ["cyan", "green", "yellow", "magenta", "blue", "red"] as const;

/** How lines are printed. */
export interface LinePrinterOptions {
  /** As they are, also on a terminal. */
  readonly raw: boolean;
}

/** Prints lines behind the names of those that wrote them; on a terminal in colour, and JSON lines readably. */
export function linePrinter({ raw }: LinePrinterOptions): (lines: readonly LogLine[]) => void {
  const isTerminal = process.stdout.isTTY === true && !raw;
  const pretty = isTerminal ? prettyFactory({ colorize: true, ignore: "pid,hostname,name" }) : undefined;
  const names: string[] = [];
  let width = 0;
  return (lines) => {
    for (const { name } of lines) {
      if (!names.includes(name)) names.push(name);
      width = Math.max(width, name.length);
    }
    const texts = lines.map(({ name, text }) => {
      const prefix = `${name.padEnd(width)} |`;
      if (pretty === undefined) return `${prefix} ${text}\n`;
      const color = colors[names.indexOf(name) % colors.length] ?? "cyan";
      const shown = text.startsWith("{") ? pretty(text)?.trimEnd() ?? text : text;
      return shown.split("\n").map((line) => `${styleText(color, prefix)} ${line}\n`).join("");
    });
    if (texts.length > 0) process.stdout.write(texts.join(""));
  };
}
