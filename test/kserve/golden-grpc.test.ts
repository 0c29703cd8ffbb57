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
import { grpcImprovements, grpcWaiting, shapeOnly } from "./support/golden-cases.ts";
import { type GrpcCase, grpcCase, grpcCaseNames, messageFrom } from "./support/golden-grpc.ts";
import { startTwins } from "./support/twins.ts";

interface Outcome {
  readonly code: string;
  readonly details: string;
  readonly answers: readonly unknown[];
}

function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shapeOf(one)]));
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

  for (const name of names) {
    if (name in grpcWaiting) continue;
    const improvement = grpcImprovements[name];
    test(`answers ${name} ${improvement === undefined ? "as Triton does" : `otherwise: ${improvement.reason}`}`, async () => {
      const recorded = grpcCase(name);
      const { output } = methodOf(recorded);
      const wanted = recorded.answers.map((answer) => plain(output, messageFrom(output, answer)));
      const seen = await call(recorded);
      if (improvement?.body !== undefined) {
        expect(JSON.stringify(seen)).toMatch(improvement.body);
        return;
      }
      const { code, details } = recorded;
      expect({ code: seen.code, details: seen.details }).toEqual({ code, details });
      if (shapeOnly.has(name)) expect(shapeOf(seen.answers)).toEqual(shapeOf(wanted));
      else expect(seen.answers).toEqual(wanted);
    });
  }
});
