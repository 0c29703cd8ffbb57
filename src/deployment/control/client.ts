import { connect, type Socket } from "node:net";
import { Code } from "@connectrpc/connect";
import { abortError, fault } from "../../rpc/error.ts";
import type { ChangeProgress } from "../changes.ts";
import { type ControlAnswer, type ControlProgress, type ControlRequest, eachLine } from "./messages.ts";

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

/** How to wait for an answer. */
export interface AskOptions {
  /** How long to wait. Default: for as long as it takes. */
  readonly timeoutMs?: number;
  /** Ends the wait, and what was asked for. */
  readonly signal?: AbortSignal;
  /** Told each step on the way. */
  readonly onProgress?: (progress: ChangeProgress) => void;
}

/**
 * Asks a deployment.
 *
 * @throws {ConnectError} `unavailable` when nobody listens or it ends before it has answered, `deadline_exceeded`, `canceled`, else as it
 * answers itself
 */
export async function ask(
  path: string,
  request: ControlRequest,
  { timeoutMs, signal, onProgress }: AskOptions = {},
): Promise<Exclude<ControlAnswer, { error: string }>> {
  const failed = `Cannot ask the deployment at "${path}"`;
  if (signal?.aborted === true) throw abortError(signal);
  const socket = await open(path).catch((cause) => {
    throw fault(`${failed}: ${cause.message}`, Code.Unavailable, {}, cause);
  });
  let late = false;
  const timer = timeoutMs === undefined ? undefined : setTimeout(() => {
    late = true;
    socket.destroy();
  }, timeoutMs);
  const given = { up: false };
  const abort = () => {
    given.up = true;
    socket.destroy();
  };
  signal?.addEventListener("abort", abort, { once: true });
  let answer: ControlAnswer | undefined;
  try {
    socket.write(`${JSON.stringify(request, finite)}\n`);
    await eachLine(socket, (text) => {
      const line = JSON.parse(text) as ControlAnswer | ControlProgress;
      if (!("progress" in line)) answer = line;
      // One that was not destroyed in time may go on for a line.
      else if (!given.up) onProgress?.(line.progress);
    });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    socket.destroy();
  }
  if (answer === undefined) {
    if (given.up && signal !== undefined) throw abortError(signal);
    const why = late ? `it must answer within ${timeoutMs} ms` : "it ended before it answered";
    throw fault(`${failed}: ${why}`, late ? Code.DeadlineExceeded : Code.Unavailable);
  }
  if ("error" in answer) throw fault(answer.error, answer.code ?? Code.Unknown);
  return answer;
}

/** JSON has no `Infinity`; where it may be said, it is what is meant by nothing. */
function finite(_: string, value: unknown): unknown {
  return value === Infinity ? undefined : value;
}
