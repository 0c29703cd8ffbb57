/**
 * Generates gen/ from proto/, and what the tests need of Connect's conformance suite.
 *
 *     npm run gen
 *
 * @module
 */
import { templates } from "./lib/generated.ts";
import { runCommand } from "./lib/run-command.ts";

for (const template of templates) {
  const { code } = await runCommand("buf", ["generate", "--template", template]);
  if (code !== 0) process.exit(code);
}
