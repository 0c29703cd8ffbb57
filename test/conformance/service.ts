import { create } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { addHeaders, describeHeaders, errorOf } from "./convert.ts";
import * as messages from "./gen/connectrpc/conformance/v1/service_pb.ts";

type Definition = messages.UnaryResponseDefinition | messages.StreamResponseDefinition;
type RequestInfo = messages.ConformancePayload_RequestInfo;

function infoOf(context: HandlerContext, requests: Any[], first = true): RequestInfo {
  const timeoutMs = context.timeoutMs();
  return create(messages.ConformancePayload_RequestInfoSchema, {
    requests,
    requestHeaders: first ? describeHeaders(context.requestHeader) : [],
    timeoutMs: first && timeoutMs !== undefined ? BigInt(Math.floor(timeoutMs)) : undefined,
  });
}

/** Waits as told, but no longer than the call lasts. */
function delay(ms: number, { signal }: HandlerContext): Promise<void> {
  if (ms === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(ConnectError.from(signal.reason, Code.Canceled));
    }, { once: true });
  });
}

function answerHeaders(definition: Definition | undefined, context: HandlerContext): void {
  addHeaders(definition?.responseHeaders ?? [], context.responseHeader);
  addHeaders(definition?.responseTrailers ?? [], context.responseTrailer);
}

function packed(error: messages.Error, info: RequestInfo | undefined): ConnectError {
  return errorOf(error, info === undefined ? [] : [anyPack(messages.ConformancePayload_RequestInfoSchema, info)]);
}

async function answerOne(
  definition: messages.UnaryResponseDefinition | undefined,
  requests: Any[],
  context: HandlerContext,
): Promise<{ payload: messages.ConformancePayload }> {
  const requestInfo = infoOf(context, requests);
  answerHeaders(definition, context);
  await delay(definition?.responseDelayMs ?? 0, context);
  const { response } = definition ?? {};
  if (response?.case === "error") throw packed(response.value, requestInfo);
  const data = response?.case === "responseData" ? response.value : undefined;
  return { payload: create(messages.ConformancePayloadSchema, { data, requestInfo }) };
}

async function* answerMany(
  definition: messages.StreamResponseDefinition | undefined,
  requests: Any[],
  context: HandlerContext,
): AsyncGenerator<{ payload: messages.ConformancePayload }> {
  if (definition === undefined) return;
  const { responseData, responseDelayMs, error } = definition;
  const requestInfo = infoOf(context, requests);
  for (const [index, data] of responseData.entries()) {
    await delay(responseDelayMs, context);
    yield { payload: create(messages.ConformancePayloadSchema, { data, requestInfo: index === 0 ? requestInfo : undefined }) };
  }
  if (error !== undefined) throw packed(error, responseData.length === 0 ? requestInfo : undefined);
}

/** Answers each request as it comes; what is left of the answers follows when no more come. */
async function* converse(
  first: messages.BidiStreamRequest,
  rest: AsyncIterator<messages.BidiStreamRequest>,
  context: HandlerContext,
): AsyncGenerator<{ payload: messages.ConformancePayload }> {
  const { responseData = [], responseDelayMs = 0, error } = first.responseDefinition ?? {};
  let sent = 0;
  let unheard: Any[] = [];
  for (let request: messages.BidiStreamRequest | undefined = first; request !== undefined;) {
    unheard.push(anyPack(messages.BidiStreamRequestSchema, request));
    if (sent >= responseData.length) break;
    await delay(responseDelayMs, context);
    const requestInfo = infoOf(context, unheard, sent === 0);
    yield { payload: create(messages.ConformancePayloadSchema, { data: responseData[sent++], requestInfo }) };
    unheard = [];
    const next = await rest.next();
    request = next.done ? undefined : next.value;
  }
  for (; sent < responseData.length; sent++) {
    await delay(responseDelayMs, context);
    const requestInfo = sent === 0 ? infoOf(context, unheard) : undefined;
    yield { payload: create(messages.ConformancePayloadSchema, { data: responseData[sent], requestInfo }) };
  }
  if (error !== undefined) throw packed(error, sent === 0 ? infoOf(context, unheard) : undefined);
}

/** The reference service: does what requests describe, and tells what it got. */
export const conformanceService: Partial<ServiceImpl<typeof messages.ConformanceService>> = {
  unary: (request, context) => answerOne(request.responseDefinition, [anyPack(messages.UnaryRequestSchema, request)], context),
  idempotentUnary: (request, context) =>
    answerOne(request.responseDefinition, [anyPack(messages.IdempotentUnaryRequestSchema, request)], context),
  async clientStream(requests, context) {
    const all: Any[] = [];
    let definition: messages.UnaryResponseDefinition | undefined;
    for await (const request of requests) {
      if (all.length === 0) definition = request.responseDefinition;
      all.push(anyPack(messages.ClientStreamRequestSchema, request));
    }
    return await answerOne(definition, all, context);
  },
  async *serverStream(request, context) {
    answerHeaders(request.responseDefinition, context);
    yield* answerMany(request.responseDefinition, [anyPack(messages.ServerStreamRequestSchema, request)], context);
  },
  async *bidiStream(requests, context) {
    const rest = requests[Symbol.asyncIterator]();
    const first = await rest.next();
    if (first.done) return;
    answerHeaders(first.value.responseDefinition, context);
    if (first.value.fullDuplex) return yield* converse(first.value, rest, context);
    const all = [anyPack(messages.BidiStreamRequestSchema, first.value)];
    for (let next = await rest.next(); !next.done; next = await rest.next()) {
      all.push(anyPack(messages.BidiStreamRequestSchema, next.value));
    }
    yield* answerMany(first.value.responseDefinition, all, context);
  },
};
