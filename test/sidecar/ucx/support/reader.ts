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
let failures = 0;
for (let failed = false; !failed;) {
  const begin = performance.now();
  const error = await node.fetch(waybill, address);
  const tookMs = (performance.now() - begin).toFixed(0);
  const { endpoints, wakeUpsLost } = await node.wire.describe();
  console.log(
    `ENDED ${error === undefined ? "Ok" : Code[error.code]} ${tookMs} ${wakeUpsLost} ${endpoints[0]?.lanes.join(";")}`,
  );
  // One of some twenty first connections between namespaces is refused by UCX as unreachable, and the next one is not.
  failed = error !== undefined && ++failures > 2;
  if (error !== undefined) console.log(error.rawMessage);
}
await node.wire.close();
