/**
 * A program that fetches one tensor again and again until it is ended: `consumer.ts TRANSPORTS JSON`.
 *
 * @module
 */
import process from "node:process";
import { UcxNode } from "./node.ts";
import { readPeer } from "./peer.ts";

const [transports = "", json = ""] = process.argv.slice(2);
const { address, waybill } = readPeer(json);
const node = await UcxNode.open(Math.max(4096, waybill.byteSize), { transports: transports.split(",") });
for (let round = 0;; round++) {
  const error = await node.fetch(waybill, address);
  if (error !== undefined) throw error;
  if (round === 0) console.log("FETCHING");
}
