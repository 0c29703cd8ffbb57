/**
 * A program that fetches a tensor until it fails, and says how each fetch ended: `reader.ts OPTIONS PEER`.
 *
 * @module
 */
import { Code } from "@connectrpc/connect";
import process from "node:process";
import { UcxNode } from "./node.ts";
import { readPeer } from "./peer.ts";

const [options = "{}", json = ""] = process.argv.slice(2);
const { address, waybill } = readPeer(json);
const node = await UcxNode.open(Math.max(4096, waybill.byteSize), JSON.parse(options));
for (let failed = false; !failed;) {
  const begin = performance.now();
  const error = await node.fetch(waybill, address);
  const tookMs = (performance.now() - begin).toFixed(0);
  const { endpoints, wakeUpsLost } = await node.wire.describe();
  console.log(
    `ENDED ${error === undefined ? "Ok" : Code[error.code]} ${tookMs} ${wakeUpsLost} ${endpoints[0]?.lanes.join(";")}`,
  );
  failed = error !== undefined;
  if (error !== undefined) console.log(error.rawMessage);
}
await node.wire.close();
