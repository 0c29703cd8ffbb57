import {
  Code,
  ConnectError,
  createConnectRouter,
  createRouterTransport,
  createServiceImplSpec,
  decodeBinaryHeader,
  encodeBinaryHeader,
  type HandlerContext,
  type Interceptor,
  type ServiceImpl,
  type Transport,
} from "@connectrpc/connect";
import { createFetchHandler, type UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { create } from "@bufbuild/protobuf";
import { GRPCInferenceService, type ModelInferRequest } from "../../gen/inference/grpc_service_pb.ts";
import { type ErrorDetail, ErrorDetailSchema } from "../../gen/waybill/v1/error_pb.ts";
import { OperatorService } from "../../gen/waybill/v1/operator_pb.ts";
import { ConformanceService } from "../conformance/gen/connectrpc/conformance/v1/service_pb.ts";
import { type Bus, connectBus, connectMemory, MemoryBroker } from "../../src/bus/mod.ts";
import { serveHttp } from "../../src/data/server.ts";
import { Caller } from "../../src/rpc/caller.ts";
import { serviceRoute } from "../../src/rpc/route.ts";
import { serve } from "../../src/rpc/serve.ts";
import { BusTransport } from "../../src/rpc/transport.ts";
import { launchNatsServer } from "../../src/testing/nats-server.ts";
import { aborted } from "../support/waiting.ts";

/** What the handlers of the shared service did, for tests to look at. */
export interface Record {
  /** Why the signal of a handler that waited fired. */
  aborts: unknown[];
  /** Items that streams began to produce. */
  produced: number;
  /** How often a stream's generator was left. */
  left: number;
}

/** One way to call the shared service. */
export interface Way {
  readonly record: Record;
  transport(interceptors?: Interceptor[]): Transport;
  close(): Promise<void>;
}

/** How a way is opened. */
export interface WayKind {
  readonly name: string;
  open(serverInterceptors?: Interceptor[]): Promise<Way>;
}

function answerMetadata({ requestHeader, responseHeader, responseTrailer }: HandlerContext): void {
  const asked = requestHeader.get("x-ask");
  if (asked !== null) responseHeader.set("x-answer", `${asked}, heard`);
  const binary = requestHeader.get("x-ask-bin");
  if (binary !== null) responseHeader.set("x-answer-bin", encodeBinaryHeader(decodeBinaryHeader(binary).reverse()));
  responseHeader.append("x-many", "one");
  responseHeader.append("x-many", "two");
  responseTrailer.set("x-end", "over");
}

function failure(name: string): Error {
  if (name === "crash") return new Error("a secret");
  const value = { reason: "BROKEN", operator: name, instance: "i", attempt: 7, retryDelayMs: 50 };
  const metadata = { "x-why": "because", "x-why-bin": encodeBinaryHeader(new Uint8Array([0, 255])) };
  return new ConnectError("Broken: ü", Code.FailedPrecondition, metadata, [{ desc: ErrorDetailSchema, value }]);
}

/** `id` says what to do, `modelName` with what. */
function implementations(record: Record): {
  unary: Partial<ServiceImpl<typeof GRPCInferenceService>>;
  stream: Partial<ServiceImpl<typeof OperatorService>>;
  uploads: Partial<ServiceImpl<typeof ConformanceService>>;
} {
  const wait = (context: HandlerContext): Promise<never> =>
    aborted(context.signal).catch((reason) => {
      record.aborts.push(reason);
      throw reason;
    });
  return {
    unary: {
      async modelInfer({ id, modelName }: ModelInferRequest, context: HandlerContext) {
        if (id === "wait") await wait(context);
        if (id === "time") return { id: `${context.timeoutMs() ?? "none"}` };
        answerMetadata(context);
        if (id === "large") context.responseHeader.set("x-large", "y".repeat(Number(modelName)));
        if (id === "fail") throw failure(modelName);
        return { id: `${id} ${modelName}`, modelName: context.method.name, modelVersion: context.service.typeName };
      },
    },
    stream: {
      async *inferStream({ id, modelName }: ModelInferRequest, context: HandlerContext) {
        answerMetadata(context);
        try {
          const count = Number(modelName.split(" ")[0]);
          for (let i = 0; i < count; i++) {
            record.produced++;
            yield { id: `${i}` };
          }
          if (id === "fail") throw failure(modelName);
          if (id === "wait") await wait(context);
        } finally {
          record.left++;
        }
      },
    },
    uploads: {
      async clientStream(requests, context) {
        answerMetadata(context);
        let total = 0;
        for await (const { requestData } of requests) {
          if (requestData[0] === 13) throw failure("typed");
          total += requestData[0] ?? 0;
        }
        return { payload: { data: Uint8Array.of(total) } };
      },
      async *bidiStream(requests, context) {
        answerMetadata(context);
        for await (const { requestData } of requests) yield { payload: { data: requestData } };
      },
    },
  };
}

function newRecord(): Record {
  return { aborts: [], produced: 0, left: 0 };
}

/** Connect's own streams its requests, which Node's `fetch` wants to be told, and gives headers that Deno will not change. */
const fetchClient: UniversalClientFn = async ({ url, method, header, body = [], signal }) => {
  const sent = await new Blob(await Array.fromAsync(body as AsyncIterable<Uint8Array<ArrayBuffer>>)).bytes();
  const response = await fetch(url, { method, headers: header, body: sent, signal });
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of response.body ?? []) yield piece;
  };
  return { status: response.status, header: new Headers(response.headers), body: pieces(), trailer: new Headers() };
};

const routerWay: WayKind = {
  name: "createRouterTransport",
  open(serverInterceptors = []) {
    const record = newRecord();
    const { unary, stream, uploads } = implementations(record);
    const transport = (interceptors: Interceptor[] = []) =>
      createRouterTransport(
        ({ service }) =>
          void (service(GRPCInferenceService, unary), service(OperatorService, stream), service(ConformanceService, uploads)),
        { router: { interceptors: serverInterceptors }, transport: { interceptors } },
      );
    return Promise.resolve({ record, transport, close: () => Promise.resolve() });
  },
};

const httpWay: WayKind = {
  name: "HTTP",
  async open(interceptors = []) {
    const record = newRecord();
    const { unary, stream, uploads } = implementations(record);
    const router = createConnectRouter({ interceptors }).service(GRPCInferenceService, unary).service(OperatorService, stream)
      .service(ConformanceService, uploads);
    const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, createFetchHandler(handler)]));
    const fetchAll = (request: Request) =>
      handlers.get(new URL(request.url).pathname)?.(request) ?? new Response(undefined, { status: 404 });
    const server = await serveHttp({ fetch: fetchAll });
    const common = { httpClient: fetchClient, baseUrl: server.url, useBinaryFormat: true };
    const limits = {
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: 1024,
      readMaxBytes: 1e8,
      writeMaxBytes: 1e8,
    };
    const transport = (own: Interceptor[] = []) => createTransport({ ...common, ...limits, interceptors: own });
    return { record, transport, close: () => server.close({ drainMs: 0 }) };
  },
};

async function overBus(
  buses: { server: Bus; client: Bus },
  interceptors: Interceptor[],
  end: () => Promise<void>,
): Promise<Way> {
  const record = newRecord();
  const { unary, stream, uploads } = implementations(record);
  const served = serve(buses.server, {
    namespace: "test",
    subject: "wb.test.n.suite",
    services: [
      createServiceImplSpec<typeof GRPCInferenceService>(GRPCInferenceService, unary),
      createServiceImplSpec<typeof OperatorService>(OperatorService, stream),
      createServiceImplSpec<typeof ConformanceService>(ConformanceService, uploads),
    ],
    interceptors,
  });
  await buses.server.flush();
  const caller = new Caller(buses.client, { namespace: "test" });
  const route = serviceRoute("wb.test.n.suite", "the suite");
  return {
    record,
    transport: (own = []) => new BusTransport({ caller, route, interceptors: own }),
    async close() {
      await caller.close();
      await served.close({ drainMs: 0 });
      await buses.client.close();
      await buses.server.close();
      await end();
    },
  };
}

const memoryWay: WayKind = {
  name: "the bus in memory",
  open(interceptors = []) {
    const broker = new MemoryBroker();
    const buses = { server: connectMemory(broker), client: connectMemory(broker) };
    return overBus(buses, interceptors, () => Promise.resolve());
  },
};

function natsWay(name: string, kind: "tcpUrl" | "wsUrl"): WayKind {
  return {
    name,
    async open(interceptors = []) {
      const broker = await launchNatsServer();
      const buses = { server: await connectBus(broker.tcpUrl), client: await connectBus(broker[kind] as string) };
      return await overBus(buses, interceptors, () => broker.stop());
    },
  };
}

/** Every way: Connect's own ones first, which say what is right. */
export const ways: readonly WayKind[] = [
  routerWay,
  httpWay,
  memoryWay,
  natsWay("the bus over TCP", "tcpUrl"),
  natsWay("the bus over a websocket", "wsUrl"),
];

/** The typed detail that the shared service's errors carry. */
export const detail: ErrorDetail = create(ErrorDetailSchema, {
  ...{ reason: "BROKEN", operator: "typed", instance: "i", attempt: 7, retryDelayMs: 50 },
});
