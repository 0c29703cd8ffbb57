// A deployment and its commands run as processes of their own, on Node as users run them.
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { connect } from "../../mod.ts";
import { callApi, type StreamInfo } from "../../src/rpc/queue/jetstream-api.ts";
import { withUp } from "../deployment/up.ts";
import { until } from "../support/program.ts";
import { failure, pause } from "../support/waiting.ts";

describe("waybill up, whose clients hold no right on storage", () => {
  test("deletes what they cancel while no worker is there, and hands dead letters to waybill dead-letters", async () => {
    await withUp({}, async ({ client, folder, run, status }) => {
      const local = { folder: join(folder, "waybill"), role: "supervisor" } as const;
      const supervisor = await connect(status.urls, { local, namespace: status.namespace });
      try {
        const { subjects } = supervisor.caller;
        const stored = async (stream: string) => {
          return (await callApi<StreamInfo>(supervisor.bus, `STREAM.INFO.${stream}`)).state.messages;
        };
        expect((await run("scale", "double=0")).code).toBe(0);
        const double = client.operator("double");
        const x = Float32Array.of(1);
        const stop = new AbortController();
        const canceled = failure(double.infer({ x }, { signal: stop.signal }));
        await until("it is stored", async () => await stored(subjects.queueStream("double")) === 1);
        stop.abort();
        await canceled;
        await until("it is deleted", async () => await stored(subjects.queueStream("double")) === 0);
        await until("its cancel is too", async () => await stored(subjects.callStream()) === 0);

        await double.post({ x }, { timeoutMs: 300, id: "late" });
        await pause(400);
        expect((await run("scale", "double=1")).code).toBe(0);
        await until("it is given up", async () => await stored(subjects.deadLetterStream()) === 1);
        const { output } = await run("dead-letters", "list", "--json");
        expect(JSON.parse(output)).toMatchObject([{ operator: "double", reason: "EXPIRED", attempts: 0 }]);
        expect((await run("dead-letters", "retry", "--operator", "double")).output).toMatch(
          /^Dead letter 1 is back in its queue/,
        );
        expect((await run("dead-letters", "list")).output).toBe("No dead letters\n");
      } finally {
        await supervisor.close();
      }
    });
  });
});
