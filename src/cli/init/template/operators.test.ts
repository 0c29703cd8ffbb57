import { equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { Tensor } from "waybill";
import { startFakeDeployment } from "waybill/testing";
import { brighten } from "./operators.ts";

test("brighten brightens, up to white", async () => {
  const { client, close } = await startFakeDeployment({ operators: [brighten] });
  try {
    const image = Tensor.from(Uint8Array.of(0, 100, 250), [1, 1, 3]);
    const outputs = await client.operator("brighten").infer({ image }, { parameters: { by: 10 } });
    equal((await outputs.image?.fetch())?.toNumbers().join(" "), "10 110 255");
  } finally {
    await close();
  }
});

test("brighten refuses what is no image", async () => {
  const { client, close } = await startFakeDeployment({ operators: [brighten] });
  try {
    await rejects(client.operator("brighten").infer({ image: Float32Array.of(1) }), /UINT8/);
  } finally {
    await close();
  }
});
