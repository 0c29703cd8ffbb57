/** The worker of a deployment that is scaled: an operator that takes 20 ms. */
import { defineWorker, operator, type WorkerDefinition } from "../../src/worker/mod.ts";

const definition: WorkerDefinition = defineWorker({
  operators: [
    operator({
      name: "hold-20",
      maxInflight: 1,
      execute: async ({ inputs }) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return inputs;
      },
    }),
  ],
});

export default definition;
