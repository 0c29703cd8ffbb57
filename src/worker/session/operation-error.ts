import { ConnectError } from "@connectrpc/connect";
import type { OperationError } from "../../../gen/waybill/v1/session_pb.ts";
import { fault } from "../../rpc/error.ts";

/** An operation's error as its caller gets it. */
export function failureOf({ code, message, detail }: OperationError): ConnectError {
  return detail === undefined ? new ConnectError(message, code) : fault(message, code, detail);
}
