import { create } from "@bufbuild/protobuf";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import {
  type ModelInferRequest,
  ModelInferResponseSchema,
  type ModelStreamInferResponse,
  ModelStreamInferResponseSchema,
} from "../../../gen/inference/grpc_service_pb.ts";
import { encodeParameter } from "../../tensor/mod.ts";
import { checkVersion } from "../errors.ts";
import { publicError } from "../rest/answers.ts";
import type { Serving } from "../serving.ts";
import { decodeMessage, FINAL_RESPONSE_WANTED } from "./decode.ts";
import { encodeMessage } from "./encode.ts";
import { Merge } from "./merge.ts";

/** Requests of one stream that are answered at the same time. */
const MAX_AT_ONCE = 64;
const FINAL_RESPONSE = "triton_final_response";
/** The metadata by which a client asks for real errors instead of messages. */
const REAL_ERRORS = "triton_grpc_error";

/**
 * Answers `ModelStreamInfer`: requests to any models, up to 64 of them at once, so that answers to different ones come as they are
 * ready. Errors are messages, unless the client asks otherwise.
 *
 * @param admit throws where the client may not use the model
 */
export async function* streamInfer(
  serving: Serving,
  requests: AsyncIterable<ModelInferRequest>,
  context: HandlerContext,
  admit: (model: string) => Promise<void>,
): AsyncGenerator<ModelStreamInferResponse, void> {
  const merge = new Merge<ModelStreamInferResponse>();
  const realErrors = context.requestHeader.get(REAL_ERRORS) === "true";
  const controller = new AbortController();
  const stop = () => controller.abort(context.signal.reason);
  context.signal.addEventListener("abort", stop, { once: true });
  const { signal } = controller;
  const answers = (request: ModelInferRequest) => answersOf(serving, request, signal, admit, realErrors);
  void readAll(requests, merge, answers);
  try {
    yield* merge.all();
  } finally {
    context.signal.removeEventListener("abort", stop);
    controller.abort();
  }
}

async function readAll(
  requests: AsyncIterable<ModelInferRequest>,
  merge: Merge<ModelStreamInferResponse>,
  answers: (request: ModelInferRequest) => AsyncIterable<ModelStreamInferResponse>,
): Promise<void> {
  const running = new Set<Promise<void>>();
  try {
    for await (const request of requests) {
      const run = merge.add(answers(request)).finally(() => running.delete(run));
      running.add(run);
      if (running.size >= MAX_AT_ONCE) await Promise.race(running);
    }
    merge.seal();
  } catch (error) {
    merge.fail(error);
  }
}

async function* answersOf(
  serving: Serving,
  message: ModelInferRequest,
  signal: AbortSignal,
  admit: (model: string) => Promise<void>,
  realErrors: boolean,
): AsyncGenerator<ModelStreamInferResponse> {
  const { id, modelName } = message;
  // Triton names the model where it was the model that failed.
  let reached = "";
  try {
    await admit(modelName);
    const version = checkVersion(message.modelVersion);
    const facts = await serving.host.model(modelName, version, { signal });
    const asked = decodeMessage(facts, version, message);
    const answers = await serving.stream(asked, { signal });
    reached = modelName;
    for await (const answer of answers) {
      const response = encodeMessage(answer);
      response.parameters[FINAL_RESPONSE] = encodeParameter(FINAL_RESPONSE, !facts.decoupled);
      yield create(ModelStreamInferResponseSchema, { inferResponse: response });
    }
    if (!facts.decoupled || asked.request.parameters[FINAL_RESPONSE_WANTED] !== true) return;
    const parameters = { [FINAL_RESPONSE]: encodeParameter(FINAL_RESPONSE, true) };
    yield create(ModelStreamInferResponseSchema, {
      inferResponse: create(ModelInferResponseSchema, { modelName, id, parameters }),
    });
  } catch (error) {
    if (realErrors) throw ConnectError.from(publicError(error));
    yield create(ModelStreamInferResponseSchema, {
      errorMessage: publicError(error).rawMessage,
      inferResponse: create(ModelInferResponseSchema, { modelName: reached, id }),
    });
  }
}
