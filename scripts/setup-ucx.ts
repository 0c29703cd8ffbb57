/**
 * Finds UCX, or fetches it into the cache, and prints where it is.
 *
 *     npm run setup:ucx
 *
 * @module
 */
import { locateUcx } from "../src/native/ucx-library.ts";

const ucx = await locateUcx({ obtain: true, log: (line) => console.error(line) });
if (ucx !== undefined) console.log(ucx.path);
process.exit(ucx === undefined ? 1 : 0);
