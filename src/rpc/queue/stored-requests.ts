import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus } from "../../bus/bus.ts";
import { decodeCallerFrame, FRAME_HEADER } from "../frame.ts";
import type { Subjects } from "../subjects.ts";
import { ApiErrorCode, callApi, isApiError } from "./jetstream-api.ts";
import { headerOf, type StoredMessage } from "./stored-message.ts";

/** A request in a queue, and whose it has to be. */
export interface RequestAddress {
  readonly operator: string;
  /** Its number in the operator's queue. */
  readonly seq: number;
  readonly caller: string;
  readonly call: string;
}

/** Whether that caller's request is still stored. */
export async function isStored(
  bus: Bus,
  subjects: Subjects,
  { operator, seq, caller, call }: RequestAddress,
): Promise<boolean> {
  try {
    const stream = subjects.queueStream(operator);
    const { message } = await callApi<{ message: StoredMessage }>(bus, `STREAM.MSG.GET.${stream}`, { seq });
    const frame = decodeCallerFrame(headerOf(message, FRAME_HEADER));
    return typeof frame === "object" && frame.caller === caller && frame.call === call;
  } catch (error) {
    if (isApiError(error, ApiErrorCode.messageNotFound) || isApiError(error, ApiErrorCode.streamNotFound)) return false;
    throw error;
  }
}

/** Takes a request out of its queue, after checking that it is that caller's; `false` when it is not there any more. */
export async function removeStored(bus: Bus, subjects: Subjects, address: RequestAddress): Promise<boolean> {
  if (!await isStored(bus, subjects, address)) return false;
  const { operator, seq } = address;
  try {
    await callApi(bus, `STREAM.MSG.DELETE.${subjects.queueStream(operator)}`, { seq, no_erase: true });
    return true;
  } catch (error) {
    // Acknowledged meanwhile. The broker has more than one number for that.
    const { code } = ConnectError.from(error);
    if (code === Code.NotFound || code === Code.FailedPrecondition) return false;
    throw error;
  }
}
