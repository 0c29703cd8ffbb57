/**
 * Obtains a pinned nats-server, as `waybill up` does where none is, and copies it.
 *
 *     node container/steps/broker.ts FILE
 *
 * @module
 */
import { chmod, copyFile, mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import { locateBroker } from "../../src/deployment/broker/locate.ts";

const [target] = process.argv.slice(2);
if (target === undefined) throw new Error("Cannot put nats-server anywhere: a path must be given, got none");
const { path } = await locateBroker({ log: (line) => console.log(line) });
await mkdir(dirname(target), { recursive: true });
await copyFile(path, target);
await chmod(target, 0o755);
