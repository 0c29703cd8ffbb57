import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { GRPCInferenceService } from "../../../gen/inference/grpc_service_pb.ts";
import { OperatorService } from "../../../gen/waybill/v1/operator_pb.ts";
import type { Client } from "../../client/client.ts";
import { Forwarder } from "./forwarder.ts";
import { listOperators } from "./list-operators.ts";
import { SentAgain } from "./sent-again.ts";

/** Room for names, parameters and what protobuf adds, beside what the bus takes. */
const ROOM_BYTES = 64 * 1024;

/** How a node serves operators over HTTP. */
export interface OperatorRoutesOptions {
  /** Over the node's own bus: calls are passed on over it, and what its discovery knows is listed. */
  client: Client;
  /** The node's name. */
  node: string;
  /** Whether the node's tensor service passes calls on to other nodes. Default `false`. */
  relays?: boolean;
  /** Asked before anything else of each call: throws what the caller is to be told where it may not call. */
  admit: (context: HandlerContext) => void;
  /** Longest that a call may take, whatever deadline it names. Default 86,400,000 ms (24 h). */
  maxCallMs?: number;
}

/**
 * Serves operators over HTTP, by passing calls on as they are: KServe's `ModelInfer` and `ModelStreamInfer`, and Waybill's
 * `InferStream`, `Post` and `ListOperators`.
 *
 * @param router of Connect: its protocols, its limits on time and its interceptors hold for these too
 */
export function operatorRoutes(router: ConnectRouter, options: OperatorRoutesOptions): ConnectRouter {
  const { client, admit, maxCallMs = 86_400_000 } = options;
  const forwarder = new Forwarder(client.caller, maxCallMs);
  const sentAgain = new SentAgain();
  const take = (context: HandlerContext) => {
    admit(context);
    sentAgain.admit(context.requestHeader);
  };
  const limits = { readMaxBytes: client.bus.maxPayloadBytes + ROOM_BYTES };
  return router
    .service(GRPCInferenceService, {
      modelInfer(request, context) {
        take(context);
        return forwarder.infer(request, context);
      },
      modelStreamInfer(requests, context) {
        take(context);
        return forwarder.converse(requests, context);
      },
    }, limits)
    .service(OperatorService, {
      inferStream(request, context) {
        take(context);
        return forwarder.stream(request, context);
      },
      post(request, context) {
        take(context);
        return forwarder.post(request, context);
      },
      listOperators(request, context) {
        admit(context);
        return listOperators(options, request, context);
      },
    }, limits);
}
