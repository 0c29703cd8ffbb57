import { Code, ConnectError } from "@connectrpc/connect";
import { statusOf } from "../errors.ts";

/** An answer of JSON that is text already. */
export function jsonAnswer(json: string, status: number = 200): Response {
  return new Response(json, { status, headers: { "content-type": "application/json" } });
}

/** An answer without a body. */
export function emptyAnswer(status: number = 200): Response {
  return new Response("", { status, headers: { "content-type": "application/json" } });
}

/** An error as clients of the protocol know it. */
export function errorJson(error: unknown): string {
  return JSON.stringify({ error: publicError(error).rawMessage });
}

/** An error's answer. */
export function errorAnswer(error: unknown): Response {
  const failure = publicError(error);
  const answer = jsonAnswer(errorJson(failure), statusOf(failure));
  if (failure.rawMessage === "Unsupported compression type") answer.headers.set("accept-encoding", "gzip, deflate");
  if (failure.code === Code.Unauthenticated) answer.headers.set("www-authenticate", "Bearer");
  return answer;
}

/** What we did not foresee may say what nobody outside is to know. */
export function publicError(error: unknown): ConnectError {
  return error instanceof ConnectError ? error : new ConnectError("Cannot answer: the server failed", Code.Internal);
}
