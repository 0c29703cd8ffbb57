/**
 * A program that opens a wire with the libraries that it is told, and prints why that fails, then that other ones still may be tried.
 *
 * @module
 */
import process from "node:process";
import { UcxWire } from "../../../../src/sidecar/ucx/mod.ts";
import { libraries } from "./library.ts";

const open = (paths: readonly string[]) =>
  UcxWire.open({ key: new Uint8Array(32), libraries: paths }).then(
    (wire) => wire.close().then(() => "opened"),
    (error: { rawMessage: string }) => error.rawMessage,
  );
console.log(`FIRST ${await open(process.argv.slice(2))}`);
console.log(`THEN ${await open(libraries)}`);
