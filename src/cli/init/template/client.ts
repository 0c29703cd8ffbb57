import process from "node:process";
import { type AnyTensor, connect, DEFAULT_TCP_URL, infoOf, Tensor } from "waybill";

type Image = AnyTensor<"UINT8">;

const wb = await connect(process.env.WAYBILL_URL ?? DEFAULT_TCP_URL);
const brighten = wb.operator<{ image: Image }, { image: Image }>("brighten", { timeoutMs: 10_000 });

const photo = Tensor.from(new Uint8Array(640 * 480 * 3).fill(100), [480, 640, 3]);
const outputs = await brighten.infer({ image: photo }, { parameters: { by: 50 } });
const { data, shape } = await outputs.image.fetch();

console.log(`A photo of ${shape.join(" x ")} from ${infoOf(outputs)?.instance}: ${photo.data[0]} became ${data[0]}`);
await outputs.image.release();
await wb.close();
