import { type Ended, runCommand } from "./run-command.ts";

/**
 * Whether a diagnostic is about a file of ours. What we pass on from a dependency, such as its error class, is not ours to document,
 * and what is generated is documented in proto/.
 */
function isOurs(diagnostic: string): boolean {
  return !/^\s*--> \S*\/(node_modules|gen)\//m.test(diagnostic);
}

/** Checks that every export of the entry points says what it is, and mentions no type that is not exported. */
export async function documented(entryPoints: readonly string[]): Promise<Pick<Ended, "code" | "output">> {
  const { code, output } = await runCommand("deno", ["doc", "--lint", ...entryPoints], { capture: true });
  const [preamble = "", ...diagnostics] = output.split(/^(?=error\[)/m);
  // Without diagnostics a failure is one of another kind, such as a file that does not exist.
  if (code === 0 || diagnostics.length === 0) return { code, output: preamble };
  const ours = diagnostics.filter(isOurs);
  return { code: ours.length === 0 ? 0 : 1, output: ours.join("") };
}
