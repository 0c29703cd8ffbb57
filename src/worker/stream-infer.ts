import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import {
  type ModelInferRequest,
  ModelInferResponseSchema,
  type ModelStreamInferResponse,
  ModelStreamInferResponseSchema,
} from "../../gen/inference/grpc_service_pb.ts";
import { ERROR_PARAMETER } from "../client/conversation.ts";
import { encodeError } from "../rpc/error.ts";
import { encodeParameter } from "../tensor/mod.ts";
import type { Executing } from "./traced.ts";

const decoder = new TextDecoder();

/**
 * KServe's stream: the caller sends any number of requests, each is answered by any number of responses, which carry its id. One that
 * fails is answered by an error message with its id, and with the typed error for our own clients, and the stream goes on. Requests
 * run one after the other: the stream has one slot of its operator.
 */
export async function* streamInfer(
  serving: Executing,
  requests: AsyncIterable<ModelInferRequest>,
  handler: HandlerContext,
): AsyncGenerator<ModelStreamInferResponse> {
  for await (const request of requests) {
    try {
      for await (const inferResponse of serving.stream(request, handler)) {
        yield create(ModelStreamInferResponseSchema, { inferResponse });
      }
    } catch (error) {
      // The call has ended: nobody reads an error message any more.
      if (handler.signal.aborted) throw error;
      const { id, modelName, modelVersion } = request;
      const failure = ConnectError.from(error);
      const typed = encodeParameter(ERROR_PARAMETER, decoder.decode(encodeError(failure)));
      const parameters = { [ERROR_PARAMETER]: typed };
      const inferResponse = create(ModelInferResponseSchema, { id, modelName, modelVersion, parameters });
      // An empty one would say that nothing failed.
      const errorMessage = failure.rawMessage || (Code[failure.code] ?? "Unknown");
      yield create(ModelStreamInferResponseSchema, { errorMessage, inferResponse });
    }
  }
}
