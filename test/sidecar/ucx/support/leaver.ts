/**
 * A program that uses two wires and ends without closing them, as `leaver.ts END` says: `falls` off its end, `exits` in the middle of
 * a fetch, or `throws`. It prints nothing.
 *
 * @module
 */
import process from "node:process";
import { UcxNode } from "./node.ts";

const [end] = process.argv.slice(2);
const owner = await UcxNode.open(1 << 20);
const consumer = await UcxNode.open(1 << 20);
const { waybill } = await owner.publish(1 << 20);
if (await consumer.fetch(waybill, owner.wire.address) !== undefined) process.exit(3);
void consumer.fetch(waybill, owner.wire.address);
if (end === "exits") process.exit(0);
if (end === "throws") throw new Error("as it was told");
