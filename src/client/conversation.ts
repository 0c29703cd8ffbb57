import { Code, type ConnectError } from "@connectrpc/connect";
import type { ModelInferResponse, ModelStreamInferResponse } from "../../gen/inference/grpc_service_pb.ts";
import { decodeError, fault } from "../rpc/error.ts";
import { decodeParameter } from "../tensor/mod.ts";

/**
 * The parameter in which KServe's streamed errors, which are a text alone, carry Connect's JSON of an error. Reserved: users
 * never see it.
 */
export const ERROR_PARAMETER = "waybill_error";

/** Whether inputs are a stream of them. */
export function isMany<I>(inputs: I | AsyncIterable<I>): inputs is AsyncIterable<I> {
  return typeof inputs === "object" && inputs !== null && Symbol.asyncIterator in inputs;
}

/**
 * What is sent of a stream, made of what its user gives. No generator: those who let it go early reach the user's own at once,
 * also while the next one is awaited.
 */
export function mapped<I, T>(source: AsyncIterable<I>, make: (value: I) => Promise<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]();
      return {
        async next(): Promise<IteratorResult<T>> {
          const { done, value } = await iterator.next();
          return done === true ? { done, value: undefined } : { done: false, value: await make(value) };
        },
        async return(): Promise<IteratorResult<T>> {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** The answer in a streamed response. Throws the error that it may be instead. */
export function answerIn({ errorMessage, inferResponse }: ModelStreamInferResponse, operator: string): ModelInferResponse {
  if (errorMessage !== "") throw streamedError(errorMessage, inferResponse, operator);
  if (inferResponse !== undefined) return inferResponse;
  throw fault(`Cannot read a streamed answer of operator "${operator}": it is empty`, Code.Internal, { operator });
}

function streamedError(text: string, response: ModelInferResponse | undefined, operator: string): ConnectError {
  const wire = response?.parameters[ERROR_PARAMETER];
  const typed = wire === undefined ? undefined : decodeParameter(ERROR_PARAMETER, wire);
  return typeof typed === "string"
    ? decodeError(new TextEncoder().encode(typed), new Headers())
    : fault(`Operator "${operator}" failed: ${text}`, Code.Unknown, { reason: "OPERATOR_FAILED", operator });
}
