import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { decodeElements, decodeStrings, encodeElements } from "../../src/tensor/bytes-elements.ts";
import { failure } from "./support.ts";

describe("the BYTES encoding", () => {
  test("is a little-endian length and the bytes, element after element", () => {
    expect([...encodeElements(["ab", "", new Uint8Array([0])])]).toEqual([2, 0, 0, 0, 97, 98, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  });

  test("gives back every element exactly", () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (elements) => {
      expect(decodeElements(encodeElements(elements))).toEqual(elements);
    }));
  });

  test("gives back every string exactly, byte order marks and NULs too", () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: "binary" })), (strings) => {
      expect(decodeStrings(encodeElements(strings))).toEqual(strings);
    }));
    expect(decodeStrings(encodeElements(["\ufeffa\0b"]))).toEqual(["\ufeffa\0b"]);
  });

  test("decodes to views of its own memory", () => {
    const bytes = encodeElements(["abc"]);
    decodeElements(bytes)[0]![0] = 120;
    expect(decodeStrings(bytes)).toEqual(["xbc"]);
  });

  test("is refused where it ends within an element", () => {
    const bytes = encodeElements(["abc", "de"]);
    for (let length = 1; length < bytes.length; length++) {
      if (length === 7) continue;
      expect(failure(() => decodeElements(bytes.subarray(0, length))).code).toBe(Code.InvalidArgument);
    }
    expect(failure(() => decodeElements(bytes.subarray(0, 9))).rawMessage).toBe(
      "Cannot decode BYTES: element 1 needs 4 bytes for its length, got 2",
    );
    expect(failure(() => decodeElements(new Uint8Array([255, 255, 255, 255, 1]))).rawMessage).toBe(
      "Cannot decode BYTES: element 0 needs 4294967295 bytes, got 1",
    );
  });

  test("never fails but with invalid_argument, whatever the bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        decodeElements(bytes);
      } catch {
        expect(failure(() => decodeElements(bytes)).code).toBe(Code.InvalidArgument);
      }
    }));
  });

  test("refuses lone surrogates rather than replacing them, and elements of other types", () => {
    expect(failure(() => encodeElements(["ok", "\ud800"])).rawMessage).toBe(
      "Cannot encode BYTES: element 1 must be well-formed Unicode, got a lone surrogate",
    );
    expect(failure(() => encodeElements([1])).rawMessage).toBe(
      "Cannot encode BYTES: element 0 must be a string or a Uint8Array, got 1",
    );
  });

  test("refuses to show other bytes as strings", () => {
    expect(failure(() => decodeStrings(encodeElements([new Uint8Array([255])]))).code).toBe(Code.InvalidArgument);
  });

  test("reads strings out of shared memory", () => {
    const bytes = encodeElements(["shared"]);
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    expect(decodeStrings(shared)).toEqual(["shared"]);
  });
});
