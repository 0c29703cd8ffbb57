import {
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { KServeService } from "../../src/kserve/grpc/descriptor.ts";
import { kserveService } from "../../src/kserve/mod.ts";
import { casesByKind, grpcImprovements, grpcWaiting, shapeOf, shapeOnly } from "./support/golden-cases.ts";
import { type GrpcCase, grpcCase, grpcCaseNames, messageFrom } from "./support/golden-grpc.ts";
import { startTwins } from "./support/twins.ts";

interface Outcome {
  readonly code: string;
  readonly details: string;
  readonly answers: readonly unknown[];
}

const plain = (desc: DescMessage, message: Message) => toJson(desc, message, { alwaysEmitImplicit: true });

describe("KServe over gRPC, against what a real Triton answered", () => {
  let twins: Awaited<ReturnType<typeof startTwins>>;
  let transport: Transport;
  beforeAll(async () => {
    twins = await startTwins();
    transport = createRouterTransport(kserveService(twins.host), { transport: { useBinaryFormat: true } });
    await call(grpcCase("infer_ok_raw"));
  });
  afterAll(() => twins.deployment.close());

  function methodOf({ service, method }: GrpcCase): DescMethod {
    const desc = service === Health.typeName ? Health : KServeService;
    return desc.methods.find(({ name }) => name === method)!;
  }

  async function call(recorded: GrpcCase): Promise<Outcome> {
    const method = methodOf(recorded);
    const requests = recorded.requests.map((request) => messageFrom(method.input, request));
    const answers: unknown[] = [];
    try {
      if (method.methodKind === "unary") {
        const { message } = await transport.unary(method as DescMethodUnary, undefined, 10_000, undefined, requests[0]!);
        answers.push(plain(method.output, message));
      } else {
        const each = (async function* () {
          yield* requests;
        })();
        const { message } = await transport.stream(method as DescMethodStreaming, undefined, 10_000, undefined, each);
        for await (const answer of message) answers.push(plain(method.output, answer));
      }
      return { code: "OK", details: "", answers };
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      const name = Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
      return { code: name === "CANCELED" ? "CANCELLED" : name, details: rawMessage, answers: [] };
    }
  }

  const names = grpcCaseNames();

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
        const seen = await call(recorded);
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
