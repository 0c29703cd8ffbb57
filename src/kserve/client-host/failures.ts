import { Code, ConnectError } from "@connectrpc/connect";
import { errorDetail } from "../../rpc/error.ts";
import { noVersions, requestPrefix } from "../errors.ts";

/** An operator's failure as clients of the protocol know it: in Triton's words where it has some. */
export function toModelError(error: unknown, model: string, id: string): ConnectError {
  const failure = ConnectError.from(error);
  const again = (message: string, code: Code) => new ConnectError(message, code, undefined, undefined, failure);
  switch (failure.code) {
    case Code.Unknown:
      return again(failure.rawMessage, Code.Internal);
    case Code.DeadlineExceeded:
      return again("Request timeout expired", Code.Unavailable);
    case Code.ResourceExhausted:
      return errorDetail(failure)?.reason === "MESSAGE_TOO_LARGE"
        ? again(failure.rawMessage, Code.InvalidArgument)
        : again(`${requestPrefix(id)}Exceeds maximum queue size`, Code.Unavailable);
    case Code.NotFound:
      return errorDetail(failure)?.reason === "NOT_DECLARED" ? noVersions(model) : failure;
    default:
      return failure;
  }
}
