import { create } from "@bufbuild/protobuf";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import {
  type ModelInferRequest,
  ModelInferResponseSchema,
  type ModelStreamInferResponse,
  ModelStreamInferResponseSchema,
} from "../../gen/inference/grpc_service_pb.ts";
import type { Executing } from "./traced.ts";

/**
 * KServe's stream: the caller sends any number of requests, each is answered by any number of responses, which carry its id. One that
 * fails is answered by an error message with its id, and the stream goes on. Requests run one after the other: the stream has one
 * slot of its operator.
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
      const inferResponse = create(ModelInferResponseSchema, { id, modelName, modelVersion });
      yield create(ModelStreamInferResponseSchema, { errorMessage: ConnectError.from(error).rawMessage, inferResponse });
    }
  }
}
