import type { Finding } from "./finding.ts";

/** The findings as a table, with what to do below each, and the verdict. */
export function renderFindings(findings: readonly Finding[], ok: boolean): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const lines = findings.flatMap(({ name, state, found, advice }) => [
    `${state.padEnd(7)}  ${name.padEnd(width)}  ${found}`,
    ...(advice === undefined ? [] : advice.split("\n").map((line) => `${" ".repeat(width + 11)}→ ${line.trim()}`)),
  ]);
  const missing = findings.filter(({ required, state }) => required && state !== "ok").map(({ name }) => name);
  return [...lines, "", ok ? "Everything required is there" : `Required and not there: ${missing.join(", ")}`].join("\n");
}
