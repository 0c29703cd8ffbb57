import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { Code, ConnectError } from "@connectrpc/connect";
import { loadMapper, type MapFile } from "../../../src/data/shm/mapping.ts";
import { Segments } from "../../../src/data/shm/segments.ts";
import { startProgram } from "../../support/program.ts";
import { testUnless } from "../../support/skip.ts";
import { pattern } from "../support.ts";

const BYTES = 1 << 20;

const missing = await loadMapper().then(() => undefined, (error) => ConnectError.from(error).rawMessage);

function thrown(work: () => unknown): ConnectError {
  try {
    work();
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("It must throw");
}

describe("shared memory", () => {
  let path = "";
  let mapFile: MapFile;

  beforeEach(async () => {
    path = `/dev/shm/waybill-test-${process.pid}-${crypto.randomUUID()}`;
    writeFileSync(path, pattern(BYTES), { mode: 0o600 });
    if (missing === undefined) mapFile = await loadMapper();
  });
  afterEach(() => rmSync(path, { force: true }));

  testUnless(missing, "what is written through one mapping is read through another one, without a copy", () => {
    const writer = mapFile({ path, byteLength: BYTES, writable: true });
    const reader = mapFile({ path, byteLength: BYTES, writable: false });
    const read = reader.view(4096, 8);
    expect([...read]).toEqual([...pattern(BYTES).subarray(4096, 4104)]);
    writer.view(4096, 8).set([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...read]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...readFileSync(path).subarray(4096, 4104)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(reader.view(BYTES, 0).length).toBe(0);
    writer.close();
    reader.close();
  });

  testUnless(missing, "a write through a consumer's mapping faults and changes nothing", async () => {
    const reading = startProgram("test/fixtures/write-to-mapping.ts", [path, String(BYTES), "reading"]);
    await reading.waitFor(/read 192 223/);
    const exit = await reading.exited;
    expect(reading.output).not.toContain("wrote");
    expect(exit.code === 0 && exit.signal === null).toBe(false);
    expect(readFileSync(path)[64]).toBe(192);

    const writing = startProgram("test/fixtures/write-to-mapping.ts", [path, String(BYTES), "writing"]);
    expect((await writing.exited).code).toBe(0);
    expect(readFileSync(path)[64]).toBe(99);
  });

  testUnless(missing, "a file that is open without a name is mapped by its descriptor's path", () => {
    const fd = openSync(path, "r+");
    rmSync(path);
    const mapping = mapFile({ path: `/proc/${process.pid}/fd/${fd}`, byteLength: BYTES, writable: false });
    closeSync(fd);
    expect(mapping.view(64, 2)[0]).toBe(192);
    mapping.close();
  });

  testUnless(missing, "transferring a view takes no other view along", () => {
    const mapping = mapFile({ path, byteLength: BYTES, writable: false });
    const [first, second] = [mapping.view(0, 100), mapping.view(0, 200)];
    try {
      structuredClone(first, { transfer: [first.buffer] });
    } catch {
      // Node refuses.
    }
    expect(second.length).toBe(200);
    expect(mapping.view(0, 300).length).toBe(300);
    mapping.close();
  });

  testUnless(missing, "what is closed stays readable for those who look at it", () => {
    const mapping = mapFile({ path, byteLength: BYTES, writable: false });
    const view = mapping.view(64, 4);
    mapping.close();
    mapping.close();
    expect(view[0]).toBe(192);
  });

  testUnless(missing, "a file that is missing or not permitted is refused with the system's reason", () => {
    const error = thrown(() => mapFile({ path: `${path}-none`, byteLength: BYTES, writable: false }));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.rawMessage).toContain(`Cannot map "${path}-none" for reading: open must succeed, got`);
  });

  testUnless(missing, "segments are mapped once, and nothing beyond them is shown", () => {
    let mapped = 0;
    const segments = new Segments((request) => {
      mapped++;
      return mapFile(request);
    });
    segments.add({ name: "a", path, byteLength: BYTES });
    expect(segments.mappedBytes).toBe(0);
    expect(segments.view("a", 64, 2)[0]).toBe(192);
    expect(segments.view("a", BYTES - 1, 1).length).toBe(1);
    expect([mapped, segments.mappedBytes]).toEqual([1, BYTES]);
    expect(thrown(() => segments.view("a", BYTES - 1, 2)).code).toBe(Code.DataLoss);
    expect(thrown(() => segments.view("b", 0, 1)).code).toBe(Code.Unavailable);
    segments.close();
    expect(thrown(() => segments.view("a", 0, 1)).code).toBe(Code.Unavailable);
  });
});

test("a runtime that cannot map says what it needs", () => {
  expect(missing ?? "Cannot map").toContain("Cannot map");
});
