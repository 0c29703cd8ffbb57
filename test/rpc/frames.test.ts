import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Code } from "@connectrpc/connect";
import {
  addressOf,
  type AnswerFrameKind,
  type CallerFrame,
  decodeAnswerFrame,
  decodeCallerFrame,
  encodeAnswerFrame,
  encodeCallerFrame,
} from "../../src/rpc/frame.ts";
import { isId, randomId } from "../../src/rpc/ids.ts";
import { decodeMetadata, encodeMetadata, MAX_METADATA_BYTES } from "../../src/rpc/metadata.ts";
import { checkNamespace, escapeName, isToken, unescapeName } from "../../src/rpc/names.ts";
import { parseAckSubject } from "../../src/rpc/queue/ack-subject.ts";
import { readStoreAnswer } from "../../src/rpc/store-answer.ts";
import { Subjects } from "../../src/rpc/subjects.ts";
import { failure } from "../support/waiting.ts";

const id = fc.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/);
const whole = fc.maxSafeNat();
const callerFrame: fc.Arbitrary<CallerFrame> = fc.record({
  kind: fc.constantFrom("request", "post", "item", "half-close", "credit", "cancel", "probe"),
  codec: fc.constantFrom("proto", "json"),
  caller: id,
  call: id,
  seq: whole,
  timeoutMs: whole,
  creditItems: whole,
  creditBytes: whole,
  base: whole,
  once: fc.boolean(),
  method: fc.constantFrom("a.b.C/D", "inference.GRPCInferenceService/ModelInfer"),
  trace: fc.constantFrom("", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
});
const name = fc.string({ unit: "binary", minLength: 1, maxLength: 16 }).filter((text) => text.isWellFormed());

async function thrown(work: () => unknown): Promise<unknown> {
  return await work();
}

describe("frames", () => {
  test("of callers survive the wire", () => {
    fc.assert(fc.property(callerFrame, (frame) => {
      expect(decodeCallerFrame(encodeCallerFrame(frame))).toEqual(frame);
    }));
  });

  test("of instances survive the wire", () => {
    const kinds = fc.constantFrom<AnswerFrameKind>("response", "item", "error", "end", "heartbeat", "moved");
    fc.assert(
      fc.property(
        kinds,
        fc.constantFrom("proto", "json"),
        id,
        whole,
        whole,
        id,
        (kind, codec, instance, attempt, seq, word) => {
          const decoded = decodeAnswerFrame(encodeAnswerFrame(kind, codec, instance, attempt, seq, word));
          expect(decoded).toEqual({ kind, codec, instance, attempt, seq, word });
        },
      ),
    );
  });

  test("that are garbage are refused, never crash", () => {
    const piece = fc.oneof(fc.string(), fc.constantFrom("1", "request", "proto", "-1", "1e400", "0x10", "NaN", "", " "));
    const garbage = fc.oneof(fc.string(), fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(" ")));
    fc.assert(
      fc.property(garbage, (text) => {
        const caller = decodeCallerFrame(text);
        if (typeof caller === "object") expect(isId(caller.caller) && isId(caller.call)).toBe(true);
        const answer = decodeAnswerFrame(text);
        if (answer !== undefined) expect(isId(answer.instance)).toBe(true);
        addressOf(text);
      }),
      { numRuns: 2_000 },
    );
    expect(decodeCallerFrame(undefined)).toBeUndefined();
  });

  test("that are mutated are refused or read as some whole frame, with ids that fit a subject", () => {
    fc.assert(fc.property(callerFrame, fc.nat(), fc.string({ unit: "binary", maxLength: 2 }), (frame, at, put) => {
      const text = encodeCallerFrame(frame);
      const where = at % (text.length + 1);
      const decoded = decodeCallerFrame(text.slice(0, where) + put + text.slice(where + 1));
      if (typeof decoded !== "object") return;
      for (const token of [decoded.caller, decoded.call]) expect(token).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
      for (const value of [decoded.seq, decoded.timeoutMs, decoded.creditItems]) expect(value).toBeGreaterThanOrEqual(0);
    }));
  });

  test("of another version are told from garbage, and name whom to tell", () => {
    fc.assert(fc.property(callerFrame, fc.integer({ min: 2, max: 9_999 }), (frame, version) => {
      const text = encodeCallerFrame(frame).replace(/^1/, `${version}`);
      expect(decodeCallerFrame(text)).toBe("version");
      expect(addressOf(text)).toEqual({ caller: frame.caller, call: frame.call });
      expect(decodeAnswerFrame(text)).toBeUndefined();
    }));
  });
});

describe("names", () => {
  test("[I5] become one subject token and come back", () => {
    fc.assert(fc.property(name, (text) => {
      const token = escapeName(text);
      expect(isToken(token)).toBe(true);
      expect(unescapeName(token)).toBe(text);
    }));
  });

  test("stay different, also where case is folded", () => {
    fc.assert(fc.property(name, name, (a, b) => {
      fc.pre(a !== b);
      expect(escapeName(a).toLowerCase()).not.toBe(escapeName(b).toLowerCase());
    }));
    for (const [a, b] of [["A", "a"], ["a.b", "a=2eb"], ["a=41", "aA"], ["é", "e\u0301"], ["=", "=3d"]] as const) {
      expect(escapeName(a)).not.toBe(escapeName(b));
    }
  });

  test("that are empty or too long are refused", async () => {
    for (const bad of ["", "x".repeat(201), "Ü".repeat(40)]) {
      expect((await failure(thrown(() => escapeName(bad)))).code).toBe(Code.InvalidArgument);
    }
    for (const bad of ["", "A", "a.b", "a b", "*", ">", "x".repeat(33)]) {
      expect((await failure(thrown(() => checkNamespace(bad)))).code).toBe(Code.InvalidArgument);
    }
  });

  test("never add a token or a wildcard to a subject", () => {
    const subjects = new Subjects("demo");
    fc.assert(fc.property(name, name, (operator, version) => {
      const made = [subjects.queue(operator, version, 3), subjects.direct(operator, version), subjects.node(operator)];
      expect(made.map((subject) => subject.split(".").length)).toEqual([6, 5, 4]);
      for (const subject of made) expect(subject).toMatch(/^[a-z0-9_.=-]+$/);
    }));
  });

  test("of no version never meet a version's", () => {
    fc.assert(fc.property(name, (version) => {
      const subjects = new Subjects("demo");
      expect(subjects.queue("op", version, 0)).not.toBe(subjects.queue("op", undefined, 0));
    }));
  });
});

describe("ids", () => {
  test("are 128 bits and never the same", () => {
    const made = new Set(Array.from({ length: 2_000 }, () => randomId()));
    expect(made.size).toBe(2_000);
    for (const one of made) expect(one).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("metadata", () => {
  const headerName = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/).filter((text) => text !== "set-cookie");
  const headerValue = fc.string({ unit: fc.constantFrom(...'abc "\\/,:;=é\u00ff\t1'), maxLength: 20 }).map((text) =>
    text.trim()
  );
  const entries = fc.uniqueArray(fc.tuple(headerName, headerValue), { maxLength: 5, selector: ([key]) => key });

  test("survives the wire as printable ASCII", () => {
    fc.assert(fc.property(entries, entries, (header, trailer) => {
      const value = encodeMetadata(new Headers(header), new Headers(trailer));
      expect(value).toMatch(/^[ -~]*$/);
      const decoded = decodeMetadata(value);
      expect([...decoded.header]).toEqual([...new Headers(header)]);
      expect([...decoded.trailer]).toEqual([...new Headers(trailer)]);
    }));
  });

  test("that is garbage counts as none, and never crashes", () => {
    const json = fc.json().map((text) => text);
    fc.assert(
      fc.property(fc.oneof(fc.string(), json, fc.constant('[[["a b","c"]]]'), fc.constant("[1,2]")), (value) => {
        const { header, trailer } = decodeMetadata(value);
        expect(header instanceof Headers && trailer instanceof Headers).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("past its limit is refused", async () => {
    const large = new Headers({ x: "y".repeat(MAX_METADATA_BYTES) });
    const error = await failure(thrown(() => encodeMetadata(large)));
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(error.rawMessage).toContain(`more than the limit of ${MAX_METADATA_BYTES}`);
  });
});

describe("the broker's words", () => {
  const token = fc.stringMatching(/^[a-zA-Z0-9_+=-]{1,20}$/);
  test("in acknowledgement subjects are read, old and new form alike", () => {
    fc.assert(
      fc.property(
        token,
        token,
        fc.nat(),
        fc.nat(),
        fc.nat(),
        fc.boolean(),
        (stream, consumer, deliveries, seq, pending, domain) => {
          const facts = `${stream}.${consumer}.${deliveries}.${seq}.9.1700000000123000000.${pending}`;
          const subject = domain ? `$JS.ACK.hub.ACCOUNT.${facts}.random` : `$JS.ACK.${facts}`;
          expect(parseAckSubject(subject)).toEqual({ stream, deliveries, seq, storedAtMs: 1700000000123 });
        },
      ),
    );
  });

  test("in acknowledgement subjects are refused when they are none", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string().map((text) => `$JS.ACK.${text}`)), (text) => {
      const facts = parseAckSubject(text);
      if (facts !== undefined) expect(Number.isFinite(facts.seq + facts.deliveries + facts.storedAtMs)).toBe(true);
    }));
    for (const bad of [undefined, "", "$JS.ACK", "$JS.ACK.a.b.x.1.1.1.1", "wb.a.b.c.d.e.f.g.h"]) {
      expect(parseAckSubject(bad)).toBeUndefined();
    }
  });

  test("about a stored request are read, and anything else is refused", () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    expect(readStoreAnswer(bytes('{"stream":"s","seq":7}'))).toEqual({ seq: 7, duplicate: false, refusal: undefined });
    expect(readStoreAnswer(bytes('{"stream":"s","seq":7,"duplicate":true}'))?.duplicate).toBe(true);
    const full = readStoreAnswer(bytes('{"error":{"code":503,"description":"maximum messages exceeded"}}'));
    expect(full?.refusal).toMatchObject({ reason: "QUEUE_FULL", code: Code.ResourceExhausted });
    expect(readStoreAnswer(bytes('{"error":{"code":503}}'))?.refusal?.code).toBe(Code.Unavailable);
    fc.assert(fc.property(fc.oneof(fc.uint8Array(), fc.json().map(bytes)), (payload) => {
      const answer = readStoreAnswer(payload);
      if (answer !== undefined) expect(answer.seq === undefined).toBe(answer.refusal !== undefined);
    }));
  });
});
