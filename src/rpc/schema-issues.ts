import type { StandardSchemaV1 } from "@standard-schema/spec";

/** What a schema of any Standard Schema library complains of, in one line: `count: must be a number; item: is missing`. */
export function issuesText(issues: readonly StandardSchemaV1.Issue[]): string {
  return issues.map(({ message, path = [] }) => {
    const where = path.map((part) => String(typeof part === "object" ? part.key : part)).join(".");
    return where === "" ? message : `${where}: ${message}`;
  }).join("; ");
}
