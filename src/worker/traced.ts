import type { HandlerContext } from "@connectrpc/connect";
import type { ModelInferRequest, ModelInferResponse } from "../../gen/inference/grpc_service_pb.ts";
import { LazyHandlerContext } from "../rpc/handler-context.ts";
import { decodePairs } from "../rpc/metadata.ts";
import { type CallInfo, callInfoOf } from "../rpc/delivery.ts";
import type { RequestTrace, Tracing } from "../telemetry/observer.ts";
import { PlainHeaders } from "../telemetry/plain-headers.ts";
import type { Operator } from "./operator.ts";

/** Answers an operator's requests. */
export interface Executing {
  /** One answer. */
  infer(message: ModelInferRequest, handler: HandlerContext, trace?: RequestTrace): Promise<ModelInferResponse>;
  /** Many answers. */
  stream(message: ModelInferRequest, handler: HandlerContext, trace?: RequestTrace): AsyncGenerator<ModelInferResponse>;
}

function headersOf(handler: HandlerContext, trace: string): Headers | PlainHeaders {
  if (trace !== "") return PlainHeaders.of<[string, string]>(["traceparent", trace]) as PlainHeaders;
  return handler instanceof LazyHandlerContext ? decodePairs(handler.metadata) : handler.requestHeader;
}

/** The same, and each execution is traced. Put in front only where there is tracing: others pay nothing for it. */
export function traced(tracing: Tracing, operator: Operator, inner: Executing): Executing {
  const begin = (method: "infer" | "stream", message: ModelInferRequest, handler: HandlerContext) => {
    const { frame, delivery } = callInfoOf(handler) as CallInfo;
    return tracing.request({
      operator: operator.name,
      version: operator.version,
      method,
      mode: delivery.mode,
      posted: frame.kind === "post",
      requestId: message.id,
      callId: frame.call,
      attempt: frame.base + delivery.attempt,
    }, headersOf(handler, frame.trace));
  };
  return {
    async infer(message, handler) {
      const trace = begin("infer", message, handler);
      try {
        const response = await trace.run(() => inner.infer(message, handler, trace));
        trace.ended();
        return response;
      } catch (error) {
        trace.ended(error);
        throw error;
      }
    },
    async *stream(message, handler) {
      const trace = begin("stream", message, handler);
      // What a generator does runs as a part of whoever asks for its next value.
      const answers = inner.stream(message, handler, trace);
      try {
        for (;;) {
          const { done, value } = await trace.run(() => answers.next());
          if (done === true) break;
          yield value;
        }
      } catch (error) {
        trace.ended(error);
        throw error;
      } finally {
        await trace.run(() => answers.return(undefined));
        trace.ended(handler.signal.aborted ? handler.signal.reason : undefined);
      }
    },
  };
}
