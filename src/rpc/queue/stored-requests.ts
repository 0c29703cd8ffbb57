import type { Bus } from "../../bus/bus.ts";
import { decodeCallerFrame, FRAME_HEADER } from "../frame.ts";
import type { Subjects } from "../subjects.ts";
import { deleteStored, getStored, headerOf } from "./stored-message.ts";

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
  const message = await getStored(bus, subjects.queueStream(operator), { seq });
  const frame = message && decodeCallerFrame(headerOf(message, FRAME_HEADER));
  return typeof frame === "object" && frame.caller === caller && frame.call === call;
}

/** Takes a request out of its queue, after checking that it is that caller's; `false` when it is not there any more. */
export async function removeStored(bus: Bus, subjects: Subjects, address: RequestAddress): Promise<boolean> {
  return await isStored(bus, subjects, address) &&
    await deleteStored(bus, subjects.queueStream(address.operator), address.seq);
}
