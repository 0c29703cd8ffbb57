import { invalid, unsupported } from "../errors.ts";
import type { ModelFacts } from "../host.ts";
import type { KServeLimits } from "../limits.ts";
import type { PreparedAnswer, Serving } from "../serving.ts";
import { jsonAnswer } from "./answers.ts";
import { bodyAnswer } from "./compress.ts";
import { decodeRequest } from "./decode.ts";
import { encodeAnswer, encodeGenerated } from "./encode.ts";
import { decodeGenerate } from "./generate.ts";
import { readBody } from "./read-body.ts";
import { GENERATE_EVENTS, INFER_EVENTS, INFER_LINES, streamAnswer, type StreamFormat } from "./stream-answer.ts";

const DECOUPLED = "HTTP end point doesn't support models with decoupled transaction policy";
const ONE_ANSWER = "generate expects model to produce exactly 1 response, " +
  "use generate stream for model that generates various number of responses";

/** A request that names a model. */
export interface ModelCall {
  readonly serving: Serving;
  readonly limits: KServeLimits;
  readonly request: Request;
  readonly facts: ModelFacts;
  /** As the path has it. */
  readonly version: string;
  /** Ends when the client goes away. */
  readonly controller: AbortController;
}

/** Answers `infer`. A model that answers many times is answered as the client accepts it, or when it answers once. */
export async function infer(call: ModelCall): Promise<Response> {
  const { serving, limits, request, facts, version, controller } = call;
  const { headers } = request;
  const length = headers.get("inference-header-content-length");
  const body = await readBody(request, length === null ? limits.maxJsonBytes : limits.maxBodyBytes);
  const decoded = decodeRequest(facts, version, body, length, limits);
  const { signal } = controller;
  const asked = { facts, ...decoded };
  if (!facts.decoupled) {
    return await bodyAnswer(
      encodeAnswer(await serving.infer(asked, { signal }), decoded.binary),
      headers.get("accept-encoding"),
    );
  }
  const answers = await serving.stream(asked, { signal });
  const format = formatOf(headers.get("accept"));
  if (format !== undefined) {
    return await streamed(call, format, answers, (answer) => new TextDecoder().decode(encodeAnswer(answer, false).body));
  }
  const only = await onlyAnswer(call, answers);
  if (only === undefined) throw unsupported(DECOUPLED);
  return await bodyAnswer(encodeAnswer(only, decoded.binary), headers.get("accept-encoding"));
}

/** Answers `generate`. */
export async function generate(call: ModelCall): Promise<Response> {
  const answers = await generated(call);
  const only = await onlyAnswer(call, answers);
  // With status 200, as Triton does it.
  return jsonAnswer(only === undefined ? JSON.stringify({ error: ONE_ANSWER }) : encodeGenerated(only));
}

/** Answers `generate_stream`. */
export async function generateStream(call: ModelCall): Promise<Response> {
  return await streamed(call, GENERATE_EVENTS, await generated(call), encodeGenerated);
}

async function generated(call: ModelCall): Promise<AsyncGenerator<PreparedAnswer, void>> {
  const { serving, limits, request, facts, version, controller } = call;
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") {
    await request.body?.cancel().catch(() => {});
    throw invalid("Unsupported content-encoding, only 'identity' is supported.");
  }
  const decoded = decodeGenerate(facts, version, await readBody(request, limits.maxJsonBytes));
  return await serving.stream({ facts, ...decoded }, { signal: controller.signal });
}

/** The status is the first answer's: what fails before it is no stream. */
async function streamed(
  { controller }: ModelCall,
  format: StreamFormat,
  answers: AsyncGenerator<PreparedAnswer, void>,
  encode: (answer: PreparedAnswer) => string,
): Promise<Response> {
  const first = await answers.next();
  return streamAnswer(format, first, answers, encode, () => controller.abort());
}

/** The answer of a model that answers once; `undefined` where it does otherwise. */
async function onlyAnswer(
  { controller }: ModelCall,
  answers: AsyncGenerator<PreparedAnswer, void>,
): Promise<PreparedAnswer | undefined> {
  const first = await answers.next();
  if (first.done === true) return undefined;
  const second = await answers.next();
  if (second.done === true) return first.value;
  controller.abort();
  await answers.return().catch(() => {});
  return undefined;
}

function formatOf(accept: string | null): StreamFormat | undefined {
  if (accept?.includes("text/event-stream")) return INFER_EVENTS;
  return accept?.includes("application/x-ndjson") ? INFER_LINES : undefined;
}
