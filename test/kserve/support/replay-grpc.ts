import {
  type DescMessage,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  type JsonValue,
  type Message,
  toJson,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { KServeService } from "../../../src/kserve/grpc/descriptor.ts";
import { type GrpcCase, messageFrom } from "./golden-grpc.ts";

/** What a call ended in; messages as JSON. */
export interface Outcome {
  readonly code: string;
  readonly details: string;
  readonly answers: readonly unknown[];
}

/** A message as JSON, with what is not set. */
export function plain(desc: DescMessage, message: Message): JsonValue {
  return toJson(desc, message, { alwaysEmitImplicit: true });
}

/** The method that was recorded. */
export function methodOf({ service, method }: GrpcCase): DescMethod {
  const desc = service === Health.typeName ? Health : KServeService;
  return desc.methods.find(({ name }) => name === method)!;
}

/** Calls what was recorded once more. */
export async function call(transport: Transport, recorded: GrpcCase): Promise<Outcome> {
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
