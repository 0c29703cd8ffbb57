import type { Bus } from "../../bus/bus.ts";
import { Code } from "@connectrpc/connect";
import { fault } from "../error.ts";
import type { CallerFrame } from "../frame.ts";
import { readStoreAnswer } from "../store-answer.ts";
import type { Subjects } from "../subjects.ts";
import { callApi } from "./jetstream-api.ts";
import { getStored, payloadOf } from "./stored-message.ts";

/** For requests without a deadline: as long as a queue keeps them by default. */
const LIFE_MS = 24 * 3600 * 1000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * How often a request has begun to be executed. The broker counts deliveries, also those to a worker that was dead or frozen by then;
 * the first one is taken for an execution, each further one is written down before it begins.
 */
export async function readAttempts(bus: Bus, subjects: Subjects, operator: string, frame: CallerFrame): Promise<number> {
  const message = await getStored(bus, subjects.callStream(), { last_by_subj: subjects.attempts(operator, frame) });
  const count = message === undefined ? 1 : Number(decoder.decode(payloadOf(message)));
  return Number.isSafeInteger(count) && count > 0 ? count : 1;
}

/** Writes down that a request begins to be executed for the n-th time. */
export async function writeAttempt(
  bus: Bus,
  subjects: Subjects,
  operator: string,
  frame: CallerFrame,
  attempt: number,
): Promise<void> {
  const life = Math.min(LIFE_MS, 2 * frame.timeoutMs || LIFE_MS);
  const headers = { "Nats-TTL": `${Math.ceil(life / 1000)}s` };
  const reply = await bus.request(subjects.attempts(operator, frame), encoder.encode(String(attempt)), { headers });
  const answer = readStoreAnswer(reply.payload);
  if (answer?.seq !== undefined) return;
  throw fault(`Cannot count an attempt: the broker did not store it: ${answer?.refusal?.text}`, Code.Unavailable);
}

/** Forgets the count of a request that has been dealt with. */
export async function forgetAttempts(bus: Bus, subjects: Subjects, operator: string, frame: CallerFrame): Promise<void> {
  await callApi(bus, `STREAM.PURGE.${subjects.callStream()}`, { filter: subjects.attempts(operator, frame) });
}
