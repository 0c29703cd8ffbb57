/** Fetches a tensor over and over: the load's target is its waybill. */
import { DataPlane } from "../../src/data/data-plane.ts";
import { waybillFromString } from "../../src/waybill/encoding.ts";
import { measure } from "../lib/measure.ts";
import { serveLoads } from "../lib/program.ts";

const data = new DataPlane();
await serveLoads(async (load) => {
  const waybill = waybillFromString(load.target);
  return await measure(load, async () => {
    const { tensor } = await data.fetch(waybill);
    if (tensor.byteLength !== load.payloadBytes) throw new Error(`${tensor.byteLength} bytes came`);
  });
});
