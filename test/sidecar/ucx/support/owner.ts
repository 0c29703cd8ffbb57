/**
 * A program that publishes one tensor until it is ended: `owner.ts TRANSPORTS BYTES`. Its second line says, on SIGUSR2, when what it
 * published is free.
 *
 * @module
 */
import process from "node:process";
import { pattern, UcxNode } from "./node.ts";

const [transports = "", bytes = "0", options = "{}"] = process.argv.slice(2);
const node = await UcxNode.open(Math.max(4096, Number(bytes)), {
  transports: transports.split(","),
  ...JSON.parse(options),
});
pattern(node.bytes, 1);
const { lease, waybill } = await node.publish(Number(bytes));
const said = { ...waybill, reference: [...waybill.reference], capability: [...waybill.capability] };
console.log(`READY ${JSON.stringify({ address: node.wire.address, waybill: said })}`);
process.on("SIGUSR2", async () => {
  const begin = performance.now();
  await lease.withdraw();
  console.log(`FREE ${(performance.now() - begin).toFixed(0)}`);
});
// A test that fails does not get to end it.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.exit(0);
}, 500);
