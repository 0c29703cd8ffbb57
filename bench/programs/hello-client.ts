/** Calls `encoder_decoder` of the hello world: `reference` or `inline`, with a 1,000-element input. */
import process from "node:process";
import { connect, Tensor } from "../../mod.ts";
import { measure } from "../lib/measure.ts";
import { serveLoads } from "../lib/program.ts";

const [url = "", namespace = "default"] = process.argv.slice(2);
const wb = await connect(url, { namespace });
await wb.serveTensors();
const input = Tensor.from("INT64", Array.from({ length: 1_000 }, (_, index) => BigInt(index % 100)));
const handles = {
  reference: wb.operator("encoder_decoder", { inline: false }),
  inline: wb.operator("encoder_decoder", { inline: true }),
};
await serveLoads((load) => {
  const handle = handles[load.target as keyof typeof handles];
  return measure(load, async () => {
    const { output } = await handle.infer({ input });
    const { byteLength } = await output!.fetch();
    void output!.release();
    if (byteLength !== input.byteLength) throw new Error(`${byteLength} bytes came back, ${input.byteLength} were sent`);
  });
});
