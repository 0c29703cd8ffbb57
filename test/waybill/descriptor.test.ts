import { describe, expect, test } from "bun:test";
import { create, toBinary, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import fc from "fast-check";
import { inspect } from "node:util";
import { TensorDescriptorSchema } from "../../gen/waybill/v1/tensor_pb.ts";
import { type DType, DTYPE_BYTES, DTYPES } from "../../src/tensor/dtype.ts";
import { attenuateCapability, CapabilityIssuer } from "../../src/waybill/capability.ts";
import { crc32 } from "../../src/waybill/crc32.ts";
import { Waybill, type WaybillInit, waybillToMessage } from "../../src/waybill/descriptor.ts";
import {
  waybillFromBytes,
  waybillFromJson,
  waybillFromString,
  waybillToBytes,
  waybillToJson,
  waybillToString,
} from "../../src/waybill/encoding.ts";
import { FORWARDED_RIGHTS } from "../../src/waybill/rights.ts";
import type { Way } from "../../src/waybill/way.ts";
import { failure, rejection } from "../tensor/support.ts";

const init: WaybillInit = {
  reference: new Uint8Array(16).fill(1),
  node: "gpu-0",
  dtype: "FP32",
  shape: [1, 3],
  byteSize: 12,
  memory: "gpu",
  device: 2,
  expiresAtMs: 1_700_000_000_000,
  ways: [
    { kind: "shm", host: "h1", segment: "/wb-0", offset: 4096, generation: 2n ** 63n },
    { kind: "ucx", address: "10.0.0.1:7000", version: "1.22" },
    { kind: "http", url: "https://gpu-0.example/v1/tensors?x=1" },
    { kind: "bus", namespace: "eu", node: "gpu-0" },
  ],
  capability: new TextEncoder().encode("secret-secret-secret-secret"),
};

function fields(waybill: Waybill): unknown {
  const { reference, node, dtype, shape, byteSize, memory, device, expiresAtMs, ways, capability } = waybill;
  return {
    reference: [...reference],
    node,
    dtype,
    shape,
    byteSize,
    memory,
    device,
    expiresAtMs,
    ways,
    capability: [...capability],
  };
}

const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/);
const printable = fc.stringMatching(/^[!-~]{1,20}$/);
const way: fc.Arbitrary<Way> = fc.oneof(
  fc.record({
    kind: fc.constant("shm" as const),
    host: name,
    segment: fc.stringMatching(/^\/?[A-Za-z0-9_-]{1,20}$/),
    offset: fc.maxSafeNat(),
    generation: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  }),
  fc.record({ kind: fc.constant("ucx" as const), address: printable, version: printable }),
  fc.record({ kind: fc.constant("http" as const), url: fc.webUrl({ withQueryParameters: true }) }),
  fc.record({ kind: fc.constant("bus" as const), namespace: name, node: name }),
);
const waybillArbitrary: fc.Arbitrary<Waybill> = fc
  .record({
    reference: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    node: name,
    dtype: fc.constantFrom<DType>(...DTYPES),
    shape: fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 4 }),
    extra: fc.nat(1000),
    memory: fc.constantFrom("cpu" as const, "cpu-pinned" as const, "gpu" as const),
    device: fc.nat(7),
    expiresAtMs: fc.maxSafeNat(),
    ways: fc.array(way, { maxLength: 5 }),
    capability: fc.uint8Array({ minLength: 1, maxLength: 51 }),
  })
  .map(({ extra, ...init }) => {
    const size = init.shape.reduce((count, dim) => count * dim, 1);
    const byteSize = init.dtype === "BYTES" ? 4 * size + extra : size * DTYPE_BYTES[init.dtype];
    return new Waybill({ ...init, byteSize, device: init.memory === "gpu" ? init.device : 0 });
  });

describe("a waybill", () => {
  test("round-trips as bytes, as JSON text and as a string of URL-safe characters", () => {
    fc.assert(fc.property(waybillArbitrary, (waybill) => {
      expect(fields(waybillFromBytes(waybillToBytes(waybill)))).toEqual(fields(waybill));
      expect(fields(waybillFromJson(JSON.parse(JSON.stringify(waybillToJson(waybill)))))).toEqual(fields(waybill));
      const text = waybillToString(waybill);
      expect(/^wb1\.[A-Za-z0-9_-]+$/.test(text)).toBe(true);
      expect(fields(waybillFromString(text))).toEqual(fields(waybill));
    }));
  });

  test("has defaults for what an owner leaves out", () => {
    const { reference, node, dtype, shape, byteSize, capability } = init;
    const waybill = new Waybill({ reference, node, dtype, shape, byteSize, capability });
    expect([waybill.memory, waybill.device, waybill.expiresAtMs, waybill.ways]).toEqual(["cpu", 0, 0, []]);
    expect(fields(waybillFromString(waybillToString(waybill)))).toEqual(fields(waybill));
  });

  test("cannot be changed from outside", () => {
    const reference = new Uint8Array(16);
    const waybill = new Waybill({ ...init, reference });
    reference[0] = 1;
    waybill.reference[1] = 1;
    waybill.capability[0] = 0;
    expect([...waybill.reference]).toEqual([...new Uint8Array(16)]);
    expect(waybill.capability[0]).toBe(init.capability[0]!);
    expect([waybill.shape, waybill.ways, waybill.ways[0]].every(Object.isFrozen)).toBe(true);
    expect(waybill.with({ expiresAtMs: 5 }).expiresAtMs).toBe(5);
    expect(waybill.expiresAtMs).toBe(init.expiresAtMs!);
  });

  test("shows node, dtype, shape and size however it is printed or logged, and never its capability", () => {
    const waybill = new Waybill(init);
    expect(JSON.parse(JSON.stringify({ waybill }))).toEqual({
      waybill: { node: "gpu-0", dtype: "FP32", shape: [1, 3], byteSize: 12 },
    });
    expect(`${waybill}`).toBe('FP32 [1,3] (12 bytes) on "gpu-0"');
    expect(inspect(waybill)).toBe('Waybill FP32 [1,3] (12 bytes) on "gpu-0"');
    const deno = (globalThis as { Deno?: { inspect(value: unknown): string } }).Deno;
    if (deno !== undefined) expect(deno.inspect(waybill)).toBe('Waybill FP32 [1,3] (12 bytes) on "gpu-0"');
    expect(inspect({ waybill }, { depth: 9, showHidden: true, customInspect: false }).includes("115")).toBe(false);
    expect(Object.keys(waybill)).toEqual([]);
  });
});

describe("making a waybill", () => {
  const refused: [string, Partial<WaybillInit>][] = [
    ["a reference of another size", { reference: new Uint8Array(15) }],
    ["an empty node name", { node: "" }],
    ["a node name with a subject wildcard", { node: "gpu.>" }],
    ["a node name that is too long", { node: "a".repeat(129) }],
    ["an unknown dtype", { dtype: "FP8" as DType }],
    ["a negative dimension", { shape: [-1, 3] }],
    ["a size that does not fit", { byteSize: 13 }],
    ["a size too small for its elements", { dtype: "BYTES", byteSize: 11 }],
    ["a size that is no integer", { dtype: "BYTES", byteSize: 12.5 }],
    ["an unknown memory", { memory: "tpu" as "gpu" }],
    ["a device without a GPU", { memory: "cpu", device: 1 }],
    ["an expiry before 1970", { expiresAtMs: -1 }],
    ["no capability", { capability: new Uint8Array(0) }],
    ["a capability that is too long", { capability: new Uint8Array(52) }],
    ["too many ways", { ways: Array.from({ length: 17 }, () => ({ kind: "bus", namespace: "a", node: "b" } as const)) }],
    ["a way of another kind", { ways: [{ kind: "ftp" } as unknown as Way] }],
    ["a URL with credentials", { ways: [{ kind: "http", url: "https://user:pw@host/" }] }],
    ["a URL of another scheme", { ways: [{ kind: "http", url: "file:///etc/passwd" }] }],
    ["what is no URL", { ways: [{ kind: "http", url: "gpu-0/v1" }] }],
    ["a URL that is too long", { ways: [{ kind: "http", url: `https://h/${"x".repeat(2048)}` }] }],
    ["a segment that climbs out of its folder", {
      ways: [{ kind: "shm", host: "h", segment: "../x", offset: 0, generation: 0n }],
    }],
    ["a segment that is the folder", { ways: [{ kind: "shm", host: "h", segment: "..", offset: 0, generation: 0n }] }],
    ["a negative offset", { ways: [{ kind: "shm", host: "h", segment: "x", offset: -1, generation: 0n }] }],
    ["a UCX address with spaces", { ways: [{ kind: "ucx", address: "a b", version: "1" }] }],
    ["a bus node with a wildcard", { ways: [{ kind: "bus", namespace: "a", node: "*" }] }],
  ];
  for (const [what, changes] of refused) {
    test(`refuses ${what}`, () => {
      const error = failure(() => new Waybill({ ...init, ...changes }));
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.rawMessage.startsWith("Cannot make a waybill: ")).toBe(true);
    });
  }

  test("shows neither capabilities nor passwords in its errors", () => {
    const capability = new TextEncoder().encode("s3cret".repeat(20));
    expect(failure(() => new Waybill({ ...init, capability })).message.includes("s3cret")).toBe(false);
    const url = "https://user:s3cret@host/";
    expect(failure(() => new Waybill({ ...init, ways: [{ kind: "http", url }] })).message.includes("s3cret")).toBe(false);
  });
});

describe("decoding a waybill", () => {
  const text = waybillToString(new Waybill(init));
  const bytes = waybillToBytes(new Waybill(init));

  test("refuses a string after any change of any one character", () => {
    for (let at = 0; at < text.length; at++) {
      for (const other of ["A", "z", "0", "-", "_", ".", "=", "+", "/", " ", "\u{1f69a}"]) {
        if (text[at] === other) continue;
        const bad = text.slice(0, at) + other + text.slice(at + 1);
        expect(failure(() => waybillFromString(bad)).code).toBe(Code.InvalidArgument);
      }
    }
  });

  test("refuses a string that was cut or extended anywhere", () => {
    for (let length = 0; length < text.length; length++) {
      expect(failure(() => waybillFromString(text.slice(0, length))).code).toBe(Code.InvalidArgument);
      expect(failure(() => waybillFromString(text.slice(length + 1))).code).toBe(Code.InvalidArgument);
    }
    for (const tail of ["A", "AA", "AAAA", "=", "==", "\n", " "]) {
      expect(failure(() => waybillFromString(text + tail)).code).toBe(Code.InvalidArgument);
    }
  });

  test("refuses every other value as a string", () => {
    for (const bad of ["", "wb1.", "wb2." + text.slice(4), "wb1.AAAAAA", "wb1." + "A".repeat(20_000), 1, null, {}]) {
      expect(failure(() => waybillFromString(bad as string)).code).toBe(Code.InvalidArgument);
    }
  });

  test("fails with invalid_argument and nothing else, whatever the bytes", () => {
    const check = (bad: Uint8Array) => {
      try {
        waybillFromBytes(bad);
      } catch {
        expect(failure(() => waybillFromBytes(bad)).code).toBe(Code.InvalidArgument);
      }
    };
    for (let at = 0; at < bytes.length; at++) {
      check(bytes.subarray(0, at));
      for (let flip = 1; flip < 256; flip++) {
        const bad = bytes.slice();
        bad[at]! ^= flip;
        check(bad);
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check));
    expect(failure(() => waybillFromBytes(new Uint8Array(8193))).code).toBe(Code.InvalidArgument);
  });

  test("fails with invalid_argument and nothing else, whatever the JSON", () => {
    fc.assert(fc.property(fc.jsonValue(), (json) => {
      expect(failure(() => waybillFromJson(json as string)).code).toBe(Code.InvalidArgument);
    }));
    const whole = toJson(TensorDescriptorSchema, waybillToMessage(new Waybill(init))) as Record<string, never>;
    for (const key of ["reference", "node", "dtype", "byteSize", "capability"]) {
      expect(failure(() => waybillFromJson({ ...whole, [key]: undefined as never })).code).toBe(Code.InvalidArgument);
      expect(failure(() => waybillFromJson({ ...whole, [key]: {} })).code).toBe(Code.InvalidArgument);
    }
  });

  test("does not show what it could not decode", () => {
    const error = failure(() => waybillFromJson({ capability: "s3cret%%%", node: "x" }));
    expect(error.message.includes("s3cret")).toBe(false);
    expect(error.cause).toBe(undefined);
  });

  test("leaves out kinds of ways that a newer owner may know", () => {
    const message = create(TensorDescriptorSchema, waybillToMessage(new Waybill({ ...init, ways: [] })));
    const wire = toBinary(TensorDescriptorSchema, message);
    // Field 9 (a way) holding field 15 (unknown) with an empty message.
    const newer = new Uint8Array([...wire, 0x4a, 2, 0x7a, 0]);
    expect(waybillFromBytes(newer).ways).toEqual([]);
  });

  test("never widens a right: whatever one bit of a descriptor says instead, its capability fails or it is the same lease", async () => {
    const issuer = CapabilityIssuer.create();
    const endMs = 2_000_000_000_000;
    const issued = await issuer.issue(init.reference, ["read", "share", "touch", "release"], endMs);
    const waybill = new Waybill({ ...init, capability: await attenuateCapability(issued, FORWARDED_RIGHTS) });
    const good = waybillToBytes(waybill);
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = good.slice();
      bad[bit >> 3]! ^= 1 << (bit & 7);
      let decoded: Waybill;
      try {
        decoded = waybillFromBytes(bad);
      } catch {
        continue;
      }
      const { reference, capability } = decoded;
      expect((await rejection(issuer.verify(capability, reference, "release", 0))).code).toBe(Code.PermissionDenied);
      const same = `${reference}|${capability}` === `${waybill.reference}|${waybill.capability}`;
      if (same) await issuer.verify(capability, reference, "read", 0);
      else expect((await rejection(issuer.verify(capability, reference, "read", 0))).code).toBe(Code.PermissionDenied);
    }
  });
});

test("the checksum is the CRC-32 of zip", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});
