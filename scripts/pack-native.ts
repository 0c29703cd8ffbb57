/**
 * Makes the installable package of the addon for this platform.
 *
 *     npm run pack:native -- [FOLDER]
 *
 * @module
 */
import { ensureNative } from "./lib/native-build.ts";
import { packNative } from "./lib/pack-native.ts";

const fault = await ensureNative((line) => console.error(line));
if (fault !== undefined) {
  console.error(fault);
  process.exit(1);
}
console.log(await packNative(process.argv[2] ?? "."));
process.exit(0);
