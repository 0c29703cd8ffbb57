import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { attenuateCapability, CapabilityIssuer } from "../../src/waybill/capability.ts";
import { MAX_CAPABILITY_BYTES } from "../../src/waybill/capability-format.ts";
import { signerWith, webSigner } from "../../src/waybill/hmac.ts";
import { ALL_RIGHTS, type Right, rightsFromBits } from "../../src/waybill/rights.ts";
import { rejection } from "../tensor/support.ts";

const reference = new Uint8Array(16).fill(7);
const NOW = 1_700_000_000_000;
const END = NOW + 1000;
const DENIED = "Cannot use the tensor: it needs a valid capability for this, got none";

async function rightsOf(issuer: CapabilityIssuer, capability: Uint8Array): Promise<Right[]> {
  const rights: Right[] = [];
  for (const right of ALL_RIGHTS) {
    try {
      await issuer.verify(capability, reference, right, NOW);
      rights.push(right);
    } catch {
      // Not among them.
    }
  }
  return rights;
}

async function expectDenied(verification: Promise<unknown>): Promise<void> {
  const error = await rejection(verification);
  expect(error.code).toBe(Code.PermissionDenied);
  expect(error.rawMessage).toBe(DENIED);
  expect(error.details.length).toBe(0);
  expect(error.cause).toBe(undefined);
}

describe("a capability", () => {
  test("grants its rights on its reference until its time", async () => {
    const issuer = CapabilityIssuer.create();
    const capability = await issuer.issue(reference, ["read", "touch"], END);
    expect(await rightsOf(issuer, capability)).toEqual(["read", "touch"]);
    expect(await issuer.verify(capability, reference, "read", END - 1)).toEqual({ rights: ["read", "touch"], notAfterMs: END });
  });

  test("is answered alike when it is foreign, expired, cut, for another reference or without the right", async () => {
    const issuer = CapabilityIssuer.create();
    const capability = await issuer.issue(reference, ["read"], END);
    const other = CapabilityIssuer.create();
    await expectDenied(other.verify(capability, reference, "read", NOW));
    await expectDenied(issuer.verify(capability, reference, "read", END));
    await expectDenied(issuer.verify(capability, reference, "read", NaN));
    await expectDenied(issuer.verify(capability, reference, "release", NOW));
    await expectDenied(issuer.verify(capability, new Uint8Array(16), "read", NOW));
    await expectDenied(issuer.verify(capability, reference.subarray(1), "read", NOW));
    await expectDenied(issuer.verify(new Uint8Array(MAX_CAPABILITY_BYTES + 1), reference, "read", NOW));
    for (let length = 0; length < capability.length; length++) {
      await expectDenied(issuer.verify(capability.subarray(0, length), reference, "read", NOW));
    }
    await expectDenied(issuer.verify(new Uint8Array([...capability, 0]), reference, "read", NOW));
  });

  test("is refused after any change of any byte, restricted or not", async () => {
    const issuer = CapabilityIssuer.create();
    const issued = await issuer.issue(reference, ALL_RIGHTS, END);
    const restricted = await attenuateCapability(issued, ["read", "share"]);
    for (const capability of [issued, restricted]) {
      for (let at = 0; at < capability.length; at++) {
        for (const flip of [1, 2, 8, 128, 255]) {
          const bad = capability.slice();
          bad[at]! ^= flip;
          await expectDenied(issuer.verify(bad, reference, "read", NOW));
        }
      }
      await issuer.verify(capability, reference, "read", NOW);
    }
  });

  test("is refused after any change of its reference", async () => {
    const issuer = CapabilityIssuer.create();
    const capability = await issuer.issue(reference, ALL_RIGHTS, END);
    for (let bit = 0; bit < 128; bit++) {
      const other = reference.slice();
      other[bit >> 3]! ^= 1 << (bit & 7);
      await expectDenied(issuer.verify(capability, other, "read", NOW));
    }
  });

  test("is never granted by bytes made up", async () => {
    const issuer = CapabilityIssuer.create();
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), async (bytes) => {
      await expectDenied(issuer.verify(bytes, reference, "read", NOW));
    }));
  });

  test("survives with its key, so that a native part can check it too", async () => {
    const key = new Uint8Array(32).fill(3);
    const first = CapabilityIssuer.create({ key });
    const second = CapabilityIssuer.create({ key });
    const capability = await attenuateCapability(await first.issue(reference, ALL_RIGHTS, END), ["read"]);
    expect(await rightsOf(second, capability)).toEqual(["read"]);
    expect(() => CapabilityIssuer.create({ key: new Uint8Array(31) })).toThrow("key must have 32 bytes, got 31");
  });

  test("is the documented chain of HMACs", async () => {
    const key = new Uint8Array(32).fill(3);
    const issuer = CapabilityIssuer.create({ key });
    const capability = await attenuateCapability(await issuer.issue(reference, ALL_RIGHTS, END), ["read"]);
    const hmac = async (key: Uint8Array<ArrayBuffer>, message: Uint8Array<ArrayBuffer>) => {
      const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
      return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
    };
    const context = new TextEncoder().encode("waybill.v1.capability\0");
    const first = await hmac(key, new Uint8Array([...context, ...reference, ...capability.subarray(0, 10)]));
    const second = await hmac(first, new Uint8Array([1]));
    expect([...capability.subarray(12)]).toEqual([...second]);
    expect([...capability.subarray(0, 2), ...capability.subarray(10, 12)]).toEqual([1, 15, 1, 1]);
  });

  test("has the same tags from the runtime's own crypto as from WebCrypto", async () => {
    const key = crypto.getRandomValues(new Uint8Array(32));
    for (const length of [1, 48, 200]) {
      const message = crypto.getRandomValues(new Uint8Array(length));
      expect([...await signerWith(key)(message)]).toEqual([...await webSigner(key)(message)]);
    }
  });

  test("is not made for what it cannot name", async () => {
    const issuer = CapabilityIssuer.create();
    expect((await rejection(issuer.issue(new Uint8Array(15), ["read"], END))).code).toBe(Code.InvalidArgument);
    expect((await rejection(issuer.issue(reference, ["write" as Right], END))).code).toBe(Code.InvalidArgument);
    expect((await rejection(issuer.issue(reference, ["read"], 1.5))).code).toBe(Code.InvalidArgument);
  });

  test("stays right when more are in use than are remembered", async () => {
    const issuer = CapabilityIssuer.create();
    const capability = await issuer.issue(reference, ["read"], END);
    for (let i = 0; i < 4200; i++) await issuer.issue(reference, ["read"], END + i);
    expect(await rightsOf(issuer, capability)).toEqual(["read"]);
  });
});

describe("restricting a capability", () => {
  test("leaves the rights that every holder left, and never adds one", async () => {
    const issuer = CapabilityIssuer.create();
    const sets = fc.integer({ min: 0, max: 15 }).map(rightsFromBits);
    await fc.assert(
      fc.asyncProperty(sets, fc.array(sets, { maxLength: 6 }), async (issued, holders) => {
        let capability: Uint8Array = await issuer.issue(reference, issued, END);
        for (const rights of holders) capability = await attenuateCapability(capability, rights);
        const left = ALL_RIGHTS.filter((right) => [issued, ...holders].every((rights) => rights.includes(right)));
        expect(await rightsOf(issuer, capability)).toEqual(left);
        expect(capability.length <= MAX_CAPABILITY_BYTES).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("cannot be undone by cutting the restriction off", async () => {
    const issuer = CapabilityIssuer.create();
    const restricted = await attenuateCapability(await issuer.issue(reference, ALL_RIGHTS, END), ["read"]);
    const cut = new Uint8Array([...restricted.subarray(0, 10), 0, ...restricted.subarray(12)]);
    await expectDenied(issuer.verify(cut, reference, "read", NOW));
    const widened = restricted.slice();
    widened[11] = 15;
    await expectDenied(issuer.verify(widened, reference, "read", NOW));
  });

  test("changes nothing where nothing is dropped", async () => {
    const issuer = CapabilityIssuer.create();
    const capability = await issuer.issue(reference, ["read"], END);
    expect(await attenuateCapability(capability, ["read", "share"])).toEqual(capability);
  });

  test("refuses what is no capability without showing it", async () => {
    const error = await rejection(attenuateCapability(new Uint8Array(5), ["read"]));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toBe("Cannot restrict a capability: it must be a whole one, got other bytes");
  });
});
