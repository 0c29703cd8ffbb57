import { connect, type Socket } from "node:net";
import { Code } from "@connectrpc/connect";
import { fault } from "../../rpc/error.ts";
import { type ControlAnswer, type ControlRequest, firstLine } from "./messages.ts";

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Whether a process listens on a socket. */
export async function isAnswering(path: string): Promise<boolean> {
  const socket = await open(path).catch(() => undefined);
  socket?.destroy();
  return socket !== undefined;
}

/**
 * Asks a deployment.
 *
 * @param timeoutMs how long to wait for the answer
 * @throws {ConnectError} `unavailable` when nobody listens or it ends before it has answered, `deadline_exceeded`, `unknown` with
 * its error
 */
export async function ask(
  path: string,
  request: ControlRequest,
  timeoutMs: number,
): Promise<Exclude<ControlAnswer, { error: string }>> {
  const socket = await open(path).catch((cause) => {
    throw fault(`Cannot ask the deployment at "${path}": ${cause.message}`, Code.Unavailable, {}, cause);
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    socket.destroy();
  }, timeoutMs);
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    const line = await firstLine(socket);
    if (line === undefined) {
      const why = late ? `it must answer within ${timeoutMs} ms` : "it ended before it answered";
      throw fault(`Cannot ask the deployment at "${path}": ${why}`, late ? Code.DeadlineExceeded : Code.Unavailable);
    }
    const answer = JSON.parse(line) as ControlAnswer;
    if ("error" in answer) throw fault(answer.error, Code.Unknown);
    return answer;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
