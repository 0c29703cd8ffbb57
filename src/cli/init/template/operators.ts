import { type Operator, operator, Tensor } from "waybill";

const image = { dtype: "UINT8", shape: [-1, -1, 3] } as const;

/** Makes every pixel brighter, by 20 unless the request says otherwise. */
export const brighten: Operator = operator({
  name: "brighten",
  inputs: { image },
  outputs: { image },
  idempotent: true,
  execute: ({ inputs, parameters: { by = 20 } }) => {
    const { data, shape } = inputs.image;
    return { image: Tensor.from(data.map((value) => Math.min(255, value + Number(by))), shape) };
  },
});
