/**
 * Generates gen/ from proto/.
 *
 *     npm run gen
 *
 * @module
 */
import { runCommand } from "./lib/run-command.ts";

const { code } = await runCommand("buf", ["generate"]);
process.exit(code);
