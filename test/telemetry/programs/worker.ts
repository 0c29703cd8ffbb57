// A worker of a program that has OpenTelemetry: nothing else is said about tracing.
import { trace } from "@opentelemetry/api";
import { defineWorker, operator, type WorkerDefinition } from "../../../src/worker/mod.ts";
import { startSdk } from "./sdk.ts";

startSdk("the-worker");

const worker: WorkerDefinition = defineWorker({
  operators: [
    operator({
      name: "parent",
      async execute(_, context) {
        context.logger.info("Asking the child", { own: 1 });
        const own = trace.getTracer("own");
        return await own.startActiveSpan("thinking", async (span) => {
          const { y } = await context.call("child").infer({ x: Float32Array.of(1, 2) });
          await y?.fetch();
          span.end();
          return {};
        });
      },
    }),
    operator({ name: "child", inline: false, execute: ({ inputs: { x } }) => ({ y: x! }) }),
    operator({ name: "route", execute: (_, context) => context.delegate("child") }),
    operator({
      name: "count",
      async *execute(_, context) {
        for (let n = 0; n < 3; n++) yield { n: Int32Array.of(n) };
        await context.call("child").infer({ x: Float32Array.of(1) });
      },
    }),
    operator({
      name: "failing",
      execute() {
        throw new Error("out of luck");
      },
    }),
    operator({
      name: "flaky",
      ackWaitMs: 1_000,
      // The first attempt takes the worker with it.
      execute(_, { attempt }) {
        if (attempt === 1) process.exit(1);
        return {};
      },
    }),
  ],
});

export default worker;
