import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createServiceImplSpec, type HandlerContext } from "@connectrpc/connect";
import { ModelInferRequestSchema, ModelInferResponseSchema } from "../../gen/inference/grpc_service_pb.ts";
import { OperatorService } from "../../gen/waybill/v1/operator_pb.ts";
import { connectMemory, MemoryBroker, type MemoryBus } from "../../src/bus/mod.ts";
import { Caller, type CallerOptions } from "../../src/rpc/caller.ts";
import {
  type AnswerFrameKind,
  type CallerFrame,
  decodeCallerFrame,
  encodeAnswerFrame,
  FRAME_HEADER,
} from "../../src/rpc/frame.ts";
import { operatorRoute, serviceRoute } from "../../src/rpc/route.ts";
import { serve } from "../../src/rpc/serve.ts";
import { Subjects } from "../../src/rpc/subjects.ts";
import { BusTransport } from "../../src/rpc/transport.ts";

const namespace = "test";
const subject = "wb.test.n.streams";
const answers = "wb.test.r.";

/** A message on its way, which a test may lose. */
export interface Passing {
  readonly to: "service" | "caller" | "other";
  readonly bytes: number;
}

/** A stream's service and its caller, with everything between them in the test's hands. */
export class StreamWorld {
  /** Answers `false` to lose a message. */
  lose: (passing: Passing) => boolean = () => false;
  readonly broker: MemoryBroker;
  readonly bus: MemoryBus;
  readonly caller: Caller;
  readonly #closing: (() => Promise<unknown>)[] = [];

  constructor(options: Partial<CallerOptions> = {}) {
    this.broker = new MemoryBroker({
      deliver: (to, payload) =>
        !this.lose({
          to: to === subject ? "service" : to.startsWith(answers) ? "caller" : "other",
          bytes: payload.length,
        }),
    });
    this.bus = connectMemory(this.broker);
    this.caller = new Caller(this.bus, { namespace, ...options });
    this.#closing.push(() => this.bus.close(), () => this.caller.close());
  }

  serve(stream: (text: string, context: HandlerContext) => AsyncIterable<string>): void {
    const bus = connectMemory(this.broker);
    const spec = createServiceImplSpec<typeof OperatorService>(OperatorService, {
      inferStream: async function* ({ id }, context) {
        for await (const text of stream(id, context)) yield { id: text };
      },
    });
    const served = serve(bus, { namespace, subject, services: [spec] });
    this.#closing.push(() => bus.close(), () => served.close({ drainMs: 0 }));
  }

  /** Calls the service. */
  stream(text: string, options: { signal?: AbortSignal; timeoutMs?: number } = {}): AsyncGenerator<string> {
    return read(new BusTransport({ caller: this.caller, route: serviceRoute(subject, "the streams") }), text, options);
  }

  /**
   * An operator whose every frame the test sends itself: opens a call and says how to answer it.
   */
  async byHand(): Promise<ByHand> {
    const bus = connectMemory(this.broker);
    this.#closing.push(() => bus.close());
    const opened = Promise.withResolvers<CallerFrame>();
    const later: CallerFrame[] = [];
    bus.subscribe("wb.test.>", (message) => {
      const frame = decodeCallerFrame(message.header(FRAME_HEADER));
      if (typeof frame !== "object") return;
      if (frame.kind === "request") opened.resolve(frame);
      else later.push(frame);
    });
    const route = operatorRoute(new Subjects(namespace), "op", { mode: "direct" });
    const items = read(new BusTransport({ caller: this.caller, route }), "x", {});
    const first = items.next();
    first.catch(() => {});
    const { caller, call } = await opened.promise;
    const send: ByHand["send"] = (kind, { instance = "a", attempt = 1, seq = 0, text = "", word }) => {
      const payload = kind === "item" ? encode(text) : new Uint8Array(0);
      const headers = { [FRAME_HEADER]: encodeAnswerFrame(kind, "proto", instance, attempt, seq, word) };
      bus.publish(`${answers}${caller}.${call}`, payload, { headers });
    };
    return { first, items, later, send };
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }
}

/** A call that the test answers frame by frame. */
export interface ByHand {
  readonly first: Promise<IteratorResult<string>>;
  readonly items: AsyncGenerator<string>;
  /** What the caller sent after its request. */
  readonly later: readonly CallerFrame[];
  send(
    kind: AnswerFrameKind,
    fields: { instance?: string; attempt?: number; seq?: number; text?: string; word?: string },
  ): void;
}

function encode(text: string): Uint8Array {
  return toBinary(ModelInferResponseSchema, create(ModelInferResponseSchema, { id: text }));
}

/** The text of a request's payload. */
export function textOf(payload: Uint8Array): string {
  return fromBinary(ModelInferRequestSchema, payload).id;
}

async function* read(
  transport: BusTransport,
  text: string,
  { signal, timeoutMs }: { signal?: AbortSignal; timeoutMs?: number },
): AsyncGenerator<string> {
  const input = (async function* () {
    yield { id: text };
  })();
  const answer = await transport.stream(OperatorService.method.inferStream, signal, timeoutMs, undefined, input);
  for await (const { id } of answer.message) yield id;
}
