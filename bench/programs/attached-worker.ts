/**
 * A worker's part in a sidecar, whose address is its argument. Loads: `"put-share-release"` does that with a tensor of the payload's size;
 * any other target is a waybill, whose tensor is looked at where it is. Requests: `{ putBytes }`, `{ writes }` into what was put last,
 * `{ opens }` a waybill, `{ reads }` what was opened, without fetching it again.
 */
import process from "node:process";
import { silentLogger } from "../../src/bus/logger.ts";
import { DataPlane } from "../../src/data/data-plane.ts";
import { TensorStore } from "../../src/data/store.ts";
import { Tensor } from "../../src/tensor/mod.ts";
import { waybillToString } from "../../src/waybill/encoding.ts";
import { joinSidecar } from "../../src/worker/session/join-sidecar.ts";
import { type Load, measure } from "../lib/measure.ts";
import { serveRequests } from "../lib/program.ts";

const data = new DataPlane();
const store = new TensorStore({ node: "alone" });
const sidecar = process.argv[2] ?? "";
const { home } = await joinSidecar({ sidecar, segmentBytes: 0, name: "bench", data, store, logger: silentLogger });
let last: Uint8Array = new Uint8Array(0);
let opened: Uint8Array = new Uint8Array(0);

async function putShareRelease(payloadBytes: number): Promise<void> {
  const first = await home.put(new Tensor("UINT8", [payloadBytes], new Uint8Array(payloadBytes)));
  const second = await data.share(first);
  await Promise.all([data.release(first), data.release(second)]);
}

async function look(waybill: string, payloadBytes: number): Promise<void> {
  const remote = data.open(waybill);
  const { bytes } = await remote.fetch({ via: ["shm"] });
  if (bytes.length !== payloadBytes) throw new Error(`${bytes.length} bytes came`);
  remote.letGo();
}

type Request = Load | { readonly putBytes: number } | { readonly writes: number } | { readonly opens: string } | {
  readonly reads: true;
};

await serveRequests(async (request: Request) => {
  if ("putBytes" in request) {
    last = await home.allocate(request.putBytes, {});
    return { waybill: waybillToString(await home.put(new Tensor("UINT8", [last.length], last))) };
  }
  if ("writes" in request) {
    last.fill(request.writes);
    return {};
  }
  if ("opens" in request) {
    opened = (await data.open(request.opens).fetch()).bytes;
    return {};
  }
  if ("reads" in request) return { first: opened[0], last: opened.at(-1) };
  const { target, payloadBytes } = request;
  return await measure(request, () => {
    return target === "put-share-release" ? putShareRelease(payloadBytes) : look(target, payloadBytes);
  });
});
