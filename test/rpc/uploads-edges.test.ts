import { afterEach, describe, expect, test } from "bun:test";
import type { Interceptor } from "@connectrpc/connect";
import { decodeError, errorDetail } from "../../src/rpc/error.ts";
import { decodeAnswerFrame, FRAME_HEADER } from "../../src/rpc/frame.ts";
import { until } from "../support/program.ts";
import { collect, gate, pause } from "../support/waiting.ts";
import { UploadWorld } from "./upload-world.ts";

const worlds: UploadWorld[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

function world(): UploadWorld {
  const made = new UploadWorld();
  worlds.push(made);
  return made;
}

const method = "connectrpc.conformance.v1.ConformanceService/BidiStream";

/** The reasons of errors that a call by hand is answered with. */
function reasonsOf(w: UploadWorld): string[] {
  const reasons: string[] = [];
  w.bus.subscribe(`wb.test.r.${w.caller.id}.by-hand`, (message) => {
    if (decodeAnswerFrame(message.header(FRAME_HEADER))?.kind !== "error") return;
    reasons.push(errorDetail(decodeError(message.payload, new Headers()))?.reason ?? "none");
  });
  return reasons;
}

describe("an instance whose caller breaks the rules", () => {
  test("takes no more messages than it granted, and ends the call", async () => {
    const w = world();
    let left = false;
    const stuck = gate();
    w.serve(async function* () {
      try {
        await stuck.promise;
        yield "late";
      } finally {
        left = true;
      }
    });
    const reasons = reasonsOf(w);
    w.send({ kind: "request", method });
    for (let seq = 1; seq <= 64; seq++) w.send({ seq });
    await pause(50);
    expect(reasons).toEqual([]);
    w.send({ seq: 65 });
    await until("it is refused", () => reasons.length > 0);
    expect(reasons).toEqual(["CREDIT_EXCEEDED"]);
    stuck.open();
    await until("the handler has ended", () => left);
  });

  test("takes no more bytes than it granted, but for the last message", async () => {
    const w = world();
    const stuck = gate();
    w.serve(async function* () {
      await stuck.promise;
      yield "late";
    });
    const reasons = reasonsOf(w);
    w.send({ kind: "request", method });
    const large = new Uint8Array(900_000);
    for (let seq = 1; seq <= 5; seq++) w.send({ seq }, large);
    await pause(50);
    expect(reasons).toEqual([]);
    w.send({ seq: 6 });
    await until("it is refused", () => reasons.length > 0);
    expect(reasons).toEqual(["CREDIT_EXCEEDED"]);
    stuck.open();
  });

  test("ends a call whose messages come twice or with a gap, and one that is half-closed too early", async () => {
    const w = world();
    w.serve(async function* (texts) {
      for await (const _ of texts);
      yield "never";
    });
    const reasons = reasonsOf(w);
    for (const frames of [[{ seq: 1 }, { seq: 1 }], [{ seq: 2 }], [{ seq: 1 }, { kind: "half-close", seq: 3 }]] as const) {
      reasons.length = 0;
      w.send({ kind: "request", method });
      for (const frame of frames) w.send(frame);
      await until("it has ended", () => reasons.length > 0);
      expect(reasons).toEqual(["MESSAGE_MISSING"]);
      await pause(10);
    }
  });

  test("answers once what is sent after the end", async () => {
    const w = world();
    const served = w.serve(async function* (texts) {
      for await (const text of texts) yield text;
    });
    w.send({ kind: "request", method });
    w.send({ kind: "half-close", seq: 1 });
    await until("it has ended", () => served.server.running === 0);
    for (let seq = 1; seq <= 100; seq++) w.send({ seq });
    w.send({ kind: "half-close", seq: 101 });
    await pause(20);
    expect(served.server.running).toBe(0);
  });
});

describe("interceptors", () => {
  test("see and change every message of a stream both ways", async () => {
    const w = world();
    w.serve(async function* (texts) {
      for await (const text of texts) yield text;
    });
    const seen: string[] = [];
    const watch: Interceptor = (next) => async (request) => {
      if (!request.stream) return await next(request);
      const { message: sent } = request;
      const up = async function* () {
        for await (const each of sent) {
          seen.push("up");
          yield each;
        }
      };
      const response = await next({ ...request, message: up() } as typeof request);
      if (!response.stream) return response;
      const { message: got } = response;
      const down = async function* () {
        for await (const each of got) {
          seen.push("down");
          yield each;
        }
      };
      return { ...response, message: down() } as typeof response;
    };
    const requests = async function* () {
      for (let i = 0; i < 3; i++) yield {};
    };
    expect((await collect(w.client([watch]).bidiStream(requests()))).length).toBe(3);
    expect(seen.sort()).toEqual(["down", "down", "down", "up", "up", "up"]);
  });
});
