import type { Sample } from "./registry.ts";

/** A sample as a page has it. */
export interface PageSample extends Sample {
  /** The metric's name; of a histogram with its suffix. */
  readonly metricName: string;
}

const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** Reads a page for Prometheus. Lines that make no sense are left out. */
export function parsePage(page: string): PageSample[] {
  return page.split("\n").flatMap((text) => {
    const [, metricName, labels = "", value] = line.exec(text) ?? [];
    if (metricName === undefined) return [];
    const pairs = [...labels.matchAll(label)].map(([, name, quoted = ""]) => [name, unescaped(quoted)]);
    return [{ metricName, labels: Object.fromEntries(pairs), value: value === "+Inf" ? Infinity : Number(value) }];
  });
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, char: string) => char === "n" ? "\n" : char);
}
