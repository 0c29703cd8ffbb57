import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { kserveService } from "../../src/kserve/mod.ts";
import { casesByKind, grpcImprovements, grpcWaiting, memoryCases, shapeOf, shapeOnly } from "./support/golden-cases.ts";
import { grpcCase, grpcCaseNames, messageFrom } from "./support/golden-grpc.ts";
import { call, methodOf, plain } from "./support/replay-grpc.ts";
import { startTwins } from "./support/twins.ts";

describe("KServe over gRPC, against what a real Triton answered", () => {
  let twins: Awaited<ReturnType<typeof startTwins>>;
  let transport: Transport;
  beforeAll(async () => {
    twins = await startTwins();
    transport = createRouterTransport(kserveService(twins.host), { transport: { useBinaryFormat: true } });
    await call(transport, grpcCase("infer_ok_raw"));
  });
  afterAll(() => twins.deployment.close());

  const names = grpcCaseNames().filter((name) => !memoryCases.grpc.includes(name));

  test("has a word on every case that is not replayed, and on no other", () => {
    const known = [...Object.keys(grpcImprovements), ...Object.keys(grpcWaiting)];
    expect(known.filter((name) => !names.includes(name))).toEqual([]);
    expect(known.length).toBe(new Set(known).size);
  });

  for (const [kind, group] of casesByKind(names.filter((name) => !(name in grpcWaiting)))) {
    test(`answers ${group.length} recorded calls as Triton does, or better: ${kind}`, async () => {
      for (const name of group) {
        const improvement = grpcImprovements[name];
        const recorded = grpcCase(name);
        const { output } = methodOf(recorded);
        const wanted = recorded.answers.map((answer) => plain(output, messageFrom(output, answer)));
        const seen = await call(transport, recorded);
        if (improvement?.body !== undefined) {
          expect(`${name}: ${JSON.stringify(seen)}`).toMatch(improvement.body);
          continue;
        }
        const { code, details } = recorded;
        expect({ name, code: seen.code, details: seen.details }).toEqual({ name, code, details });
        const compared = shapeOnly.has(name) ? shapeOf : (answers: unknown) => answers;
        expect({ name, answers: compared(seen.answers) }).toEqual({ name, answers: compared(wanted) });
      }
    });
  }
});
