/**
 * Makes dist/, which is what is published, and checks the package that npm makes of it.
 *
 *     npm run build -- [--emit-only]
 *
 * @module
 */
import { parseArgs } from "node:util";
import { emit } from "./lib/emit.ts";
import { verifyPackage } from "./lib/verify-package.ts";

const { values } = parseArgs({ options: { "emit-only": { type: "boolean" } } });

for (const step of values["emit-only"] === true ? [emit] : [emit, verifyPackage]) {
  const { code, output } = await step();
  if (code !== 0) {
    console.log(output.trimEnd());
    process.exit(1);
  }
}
console.log("Built dist/");
