import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { attenuateCapability, CapabilityIssuer } from "../../src/waybill/capability.ts";
import { signerWith } from "../../src/waybill/hmac.ts";
import type { Right } from "../../src/waybill/rights.ts";
import { native, unlessNative } from "./support/native.ts";

const rights: readonly Right[] = ["read", "share", "touch", "release"];
const bits = (list: readonly Right[]) => list.reduce((sum, right) => sum | 1 << rights.indexOf(right), 0);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const someRights = fc.subarray([...rights]);

describe("the addon's HMAC", () => {
  unlessNative("is the runtime's own, for messages of any length and keys", async () => {
    const addon = native();
    const inputs = fc.record({ key: fc.uint8Array({ maxLength: 200 }), message: fc.uint8Array({ maxLength: 300 }) });
    await fc.assert(
      fc.asyncProperty(inputs, async ({ key, message }) => {
        // An empty key is one that WebCrypto and node:crypto do not agree on.
        const padded = new Uint8Array(key.length === 0 ? [0] : key);
        expect([...addon.hmacSha256(padded, message)]).toEqual([...await signerWith(padded)(new Uint8Array(message))]);
      }),
      { numRuns: 500 },
    );
    for (let length = 0; length < 140; length++) {
      const message = new Uint8Array(length).fill(length);
      expect([...addon.hmacSha256(new Uint8Array(32), message)]).toEqual([...await signerWith(new Uint8Array(32))(message)]);
    }
  });
});

describe("the addon's check of capabilities", () => {
  unlessNative("says of a true one, restricted up to eight times, what its issuer says", async () => {
    const addon = native();
    const inputs = fc.record({
      key: bytes(32),
      reference: bytes(16),
      issued: someRights,
      notAfterMs: fc.maxSafeNat(),
      kept: fc.array(someRights, { maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(inputs, async ({ key, reference, issued, notAfterMs, kept }) => {
        let capability = await CapabilityIssuer.create({ key }).issue(reference, issued, notAfterMs);
        let left = issued;
        for (const rights of kept) {
          capability = await attenuateCapability(capability, rights);
          left = left.filter((right) => rights.includes(right));
        }
        expect(addon.verifyCapability(key, reference, capability)).toEqual({ rights: bits(left), notAfterMs });
      }),
      { numRuns: 300 },
    );
  });

  unlessNative("refuses every one with a bit, a byte, the reference or the key changed", async () => {
    const addon = native();
    const key = crypto.getRandomValues(new Uint8Array(32));
    const reference = crypto.getRandomValues(new Uint8Array(16));
    const whole = await CapabilityIssuer.create({ key }).issue(reference, rights, 1e12);
    const capability = await attenuateCapability(whole, ["read"]);
    const check = (given: Uint8Array, of = reference, by = key) => addon.verifyCapability(by, of, given);
    expect(check(capability)).toEqual({ rights: 1, notAfterMs: 1e12 });
    for (let bit = 0; bit < capability.length * 8; bit++) {
      const changed = new Uint8Array(capability);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect(check(changed)).toBe(undefined);
    }
    for (let length = 0; length < capability.length; length++) expect(check(capability.subarray(0, length))).toBe(undefined);
    expect(check(new Uint8Array([...capability, 0]))).toBe(undefined);
    expect(check(capability, new Uint8Array(16))).toBe(undefined);
    expect(check(capability, new Uint8Array(15))).toBe(undefined);
    expect(check(capability, reference, new Uint8Array(32))).toBe(undefined);
  });

  unlessNative("reads nothing beyond 100,000 random inputs, and takes none of them for good", () => {
    const addon = native();
    const key = new Uint8Array(32);
    const reference = new Uint8Array(16);
    const noise = crypto.getRandomValues(new Uint8Array(60_000));
    let taken = 0;
    for (let i = 0; i < 100_000; i++) {
      const at = (i * 7919) % (noise.length - 64);
      const given = noise.subarray(at, at + i % 64);
      // Half of them with a true head, so that the checks behind it are reached.
      if (given.length > 10 && i % 2 === 0) given.set([1, 15, 0, 0, 0, 0, 0, 0, 0, 1, Math.max(0, given.length - 43)]);
      if (addon.verifyCapability(key, reference, given) !== undefined) taken++;
    }
    expect(taken).toBe(0);
  });
});

test("rights have the bits that the addon knows them by", () =>
  expect(rights.map((right) => bits([right]))).toEqual([1, 2, 4, 8]));
