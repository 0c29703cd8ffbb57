import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { MapFile } from "../../../src/data/shm/mapping.ts";
import { allocateTensor } from "../../../src/worker/tensor-home.ts";
import { OwnSegments } from "../../../src/worker/session/own-segments.ts";
import { failure } from "../../support/waiting.ts";

const MIB = 2 ** 20;

/** Mappings of nothing: memory of this process. */
const onHeap: MapFile = ({ byteLength }) => {
  const memory = new ArrayBuffer(byteLength);
  return { byteLength, view: (offset, length) => new Uint8Array(memory, offset, length), close() {} };
};

const noRoom = () => Promise.reject(new ConnectError("Cannot add a segment: there is no room", Code.ResourceExhausted));

function segments(byteLength: number): OwnSegments {
  const own = new OwnSegments(onHeap, noRoom);
  own.add({ name: "mine", path: "/nowhere", byteLength });
  return own;
}

describe("a worker's own segments", () => {
  test("blocks do not overlap, and are used again once they are free", async () => {
    const own = segments(4 * MIB);
    const blocks = await Promise.all([1, 2].map(() => own.allocate(MIB, { waitMs: 0 })));
    blocks[0]!.bytes.fill(1);
    blocks[1]!.bytes.fill(2);
    expect([blocks[0]!.bytes[MIB - 1], blocks[1]!.bytes[0]]).toEqual([1, 2]);
    own.free(blocks[0]!);
    expect(own.usedBytes).toBe(MIB);
    // Freed already, and of another session: left alone.
    own.free(blocks[0]!);
    own.free({ ...blocks[1]!, segment: "of-before" });
    expect(own.usedBytes).toBe(MIB);
  });

  test("who finds no room waits in turn until blocks are freed", async () => {
    const own = segments(2 * MIB);
    const first = await own.allocate(2 * MIB, { waitMs: 0 });
    const order: string[] = [];
    const large = Promise.resolve(own.allocate(2 * MIB, { waitMs: 5_000 })).then((block) => (order.push("large"), block));
    const small = Promise.resolve(own.allocate(64, { waitMs: 5_000 })).then((block) => (order.push("small"), block));
    own.free(first);
    own.free(await large);
    await small;
    expect(order).toEqual(["large", "small"]);
  });

  test("who waits too long, or gives up, is told so, and the next one gets the room", async () => {
    const own = segments(2 * MIB);
    const first = await own.allocate(2 * MIB, { waitMs: 0 });
    const late = await failure(Promise.resolve(own.allocate(MIB, { waitMs: 20 })));
    expect(late.code).toBe(Code.ResourceExhausted);
    expect(late.rawMessage).toContain("this worker's segments have 2097152 bytes, of which 2097152 are taken after");
    const controller = new AbortController();
    const given = failure(Promise.resolve(own.allocate(MIB, { waitMs: 5_000, signal: controller.signal })));
    controller.abort();
    expect((await given).code).toBe(Code.Canceled);
    const next = own.allocate(MIB, { waitMs: 5_000 });
    own.free(first);
    expect((await next).bytes.length).toBe(MIB);
  });

  test("more room is asked for as much as a block takes, so that one segment is enough", async () => {
    const asked: number[] = [];
    const own = new OwnSegments(onHeap, (byteLength) => {
      asked.push(byteLength);
      return Promise.resolve({ name: `more-${asked.length}`, path: "/nowhere", byteLength });
    });
    for (const byteLength of [3 * MIB + 1, 1]) {
      expect((await own.allocate(byteLength, { waitMs: 5_000 })).bytes.length).toBe(byteLength);
    }
    expect(asked).toEqual([3 * MIB + 4_096, 65_536]);
  });

  test("more room is asked for before anybody waits for long", async () => {
    let grown = 0;
    const own = new OwnSegments(onHeap, (byteLength) => {
      grown++;
      return Promise.resolve({ name: `more-${grown}`, path: "/nowhere", byteLength: Math.max(byteLength, MIB) });
    });
    own.add({ name: "mine", path: "/nowhere", byteLength: MIB });
    const blocks = await Promise.all([MIB, 4 * MIB, MIB].map((bytes) => own.allocate(bytes, { waitMs: 5_000 })));
    expect(blocks.map(({ bytes }) => bytes.length)).toEqual([MIB, 4 * MIB, MIB]);
    expect(own.capacityBytes).toBeGreaterThanOrEqual(6 * MIB);
  });

  test("what can never fit is refused at once, with the sidecar's reason", async () => {
    const own = segments(MIB);
    const error = await failure(Promise.resolve(own.allocate(8 * MIB, { waitMs: 60_000 })));
    expect([error.code, error.rawMessage]).toEqual([Code.ResourceExhausted, "Cannot add a segment: there is no room"]);
  });

  test("the end of the session fails those who wait and those who come", async () => {
    const own = segments(MIB);
    await own.allocate(MIB, { waitMs: 0 });
    const waiting = failure(Promise.resolve(own.allocate(MIB, { waitMs: 60_000 })));
    own.end(new ConnectError("It has ended", Code.Unavailable));
    expect((await waiting).code).toBe(Code.Unavailable);
    expect(() => own.allocate(1, { waitMs: 0 })).toThrow("It has ended");
  });
});

describe("a tensor to be filled", () => {
  test("is on the heap where there is no sidecar", async () => {
    const tensor = await allocateTensor(undefined, "FP32", [2, 3], {});
    tensor.data.fill(1.5);
    expect([tensor.dtype, tensor.shape, tensor.byteLength, tensor.data[5]]).toEqual(["FP32", [2, 3], 24, 1.5]);
    expect((await allocateTensor(undefined, "INT8", [], {})).byteLength).toBe(1);
    expect((await allocateTensor(undefined, "INT64", [0, 3], {})).byteLength).toBe(0);
  });

  test("must have a size that follows from its shape", async () => {
    const error = await failure(allocateTensor(undefined, "BYTES" as "FP32", [1], {}));
    expect(error.rawMessage).toContain('dtype must be one whose size follows from the shape, got "BYTES"');
    expect((await failure(allocateTensor(undefined, "FP32", [-1], {}))).code).toBe(Code.InvalidArgument);
  });
});
