import type { ChangeProgress, ComponentDifference } from "../../deployment/mod.ts";

/** A step in one line, such as `encoder.2 ready (pid 4711)`. */
export function renderStep({ worker, pid, step, text }: ChangeProgress): string {
  const process = pid === undefined ? "" : ` (pid ${pid})`;
  return `${worker} ${step}${process}${text === undefined ? "" : `: ${text}`}`;
}

const signs: Readonly<Record<ComponentDifference["action"], string>> = {
  add: "+",
  replace: "~",
  scale: "~",
  remove: "-",
  keep: "=",
};

/** What was different, a line for each component. */
export function renderDifferences(differences: readonly ComponentDifference[]): string {
  if (differences.length === 0) return "There is nothing to run";
  return differences.map(({ name, action, what }) =>
    `${signs[action]} ${name}: ${action === "keep" ? "as it should be" : `${action} (${what.join(", ")})`}`
  ).join("\n");
}
