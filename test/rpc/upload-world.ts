import { create } from "@bufbuild/protobuf";
import { type Client, createClient, createServiceImplSpec, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import {
  type BidiStreamRequest,
  BidiStreamResponseSchema,
  ClientStreamResponseSchema,
  ConformanceService,
} from "../conformance/gen/connectrpc/conformance/v1/service_pb.ts";
import { type BusMessage, connectMemory, MemoryBroker, type MemoryBus } from "../../src/bus/mod.ts";
import { Caller, type CallerOptions } from "../../src/rpc/caller.ts";
import {
  type CallerFrame,
  decodeAnswerFrame,
  decodeCallerFrame,
  encodeCallerFrame,
  FRAME_HEADER,
} from "../../src/rpc/frame.ts";
import { serviceRoute } from "../../src/rpc/route.ts";
import { serve, type Served } from "../../src/rpc/serve.ts";
import { BusTransport } from "../../src/rpc/transport.ts";

const namespace = "test";
const subject = "wb.test.n.uploads";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A message on its way, which a test may lose. */
export interface Passing {
  readonly to: "service" | "caller";
  readonly bytes: number;
}

/** What the service does with what its caller streams. */
export type Converse = (texts: AsyncIterable<string>, context: HandlerContext) => AsyncIterable<string>;

/** A service whose callers stream, in memory, with everything between them in the test's hands. */
export class UploadWorld {
  /** Answers `true` to lose a message. */
  lose: (passing: Passing) => boolean = () => false;
  /** Later frames of callers, as they came to the service. */
  readonly heard: CallerFrame[] = [];
  /** Words of credits that the service gave. */
  readonly credits: string[] = [];
  readonly broker: MemoryBroker;
  readonly bus: MemoryBus;
  readonly caller: Caller;
  readonly #closing: (() => Promise<unknown>)[] = [];

  constructor(options: Partial<CallerOptions> = {}) {
    this.broker = new MemoryBroker({
      deliver: (to, payload) => !this.lose({ to: to === subject ? "service" : "caller", bytes: payload.length }),
    });
    this.bus = connectMemory(this.broker);
    this.bus.subscribe("wb.test.>", (message) => this.#note(message));
    this.caller = new Caller(this.bus, { namespace, ...options });
    this.#closing.push(() => this.bus.close(), () => this.caller.close());
  }

  serve(converse: Converse): Served {
    const bus = connectMemory(this.broker);
    const spec = createServiceImplSpec<typeof ConformanceService>(ConformanceService, {
      bidiStream: async function* (requests, context) {
        for await (const text of converse(textsOf(requests), context)) {
          yield create(BidiStreamResponseSchema, { payload: { data: encoder.encode(text) } });
        }
      },
      async clientStream(requests, context) {
        let all = "";
        for await (const text of converse(textsOf(requests as AsyncIterable<{ requestData: Uint8Array }>), context)) {
          all += text;
        }
        return create(ClientStreamResponseSchema, { payload: { data: encoder.encode(all) } });
      },
    });
    const served = serve(bus, { namespace, subject, services: [spec] });
    this.#closing.push(() => bus.close(), () => served.close({ drainMs: 0 }));
    return served;
  }

  /** A client of the service. */
  client(interceptors: Interceptor[] = []): Client<typeof ConformanceService> {
    const route = serviceRoute(subject, "the uploads");
    return createClient(ConformanceService, new BusTransport({ caller: this.caller, route, interceptors }));
  }

  /** Sends a caller's frame by hand. */
  send(frame: Partial<CallerFrame>, payload: Uint8Array = new Uint8Array(0)): void {
    const usual = { codec: "proto", caller: this.caller.id, call: "by-hand", seq: 0, timeoutMs: 0, method: "" } as const;
    const rest = { kind: "item", creditItems: 64, creditBytes: 1e6, base: 0, once: false, trace: "" } as const;
    const header = encodeCallerFrame({ ...usual, ...rest, ...frame });
    this.bus.publish(subject, payload, { headers: { [FRAME_HEADER]: header } });
  }

  /** Sends texts, and yields what comes back. */
  async *converse(
    texts: AsyncIterable<string>,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): AsyncGenerator<string> {
    for await (const { payload } of this.client().bidiStream(requestsOf(texts), options)) {
      yield decoder.decode(payload?.data);
    }
  }

  /** Sends texts, and gives the one answer. */
  async gather(texts: AsyncIterable<string>, options: { signal?: AbortSignal; timeoutMs?: number } = {}): Promise<string> {
    const { payload } = await this.client().clientStream(requestsOf(texts), options);
    return decoder.decode(payload?.data);
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }

  #note(message: BusMessage): void {
    const header = message.header(FRAME_HEADER);
    const frame = decodeCallerFrame(header);
    if (typeof frame === "object") this.heard.push(frame);
    const answer = decodeAnswerFrame(header);
    if (answer?.kind === "credit") this.credits.push(answer.word);
  }
}

async function* requestsOf(texts: AsyncIterable<string>): AsyncGenerator<{ requestData: Uint8Array<ArrayBuffer> }> {
  for await (const text of texts) yield { requestData: encoder.encode(text) };
}

async function* textsOf(requests: AsyncIterable<Pick<BidiStreamRequest, "requestData">>): AsyncGenerator<string> {
  for await (const { requestData } of requests) yield decoder.decode(requestData);
}
