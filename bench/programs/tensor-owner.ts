/** A store that is served over HTTP. Puts a tensor of so many bytes on request, and answers with its waybill. */
import { Tensor } from "../../src/tensor/mod.ts";
import { serveTensors } from "../../src/data/serve-tensors.ts";
import { TensorStore } from "../../src/data/store.ts";
import { waybillToString } from "../../src/waybill/encoding.ts";
import { serveRequests } from "../lib/program.ts";

const store = new TensorStore({ node: "owner" });
await serveTensors(store);
await serveRequests(async ({ putBytes }: { putBytes: number }) => {
  const bytes = new Uint8Array(putBytes).fill(7);
  return { waybill: waybillToString(await store.put(new Tensor("UINT8", [putBytes], bytes))) };
});
