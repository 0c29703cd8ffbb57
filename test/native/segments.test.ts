import { afterAll, describe, expect } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NativeAddon } from "../../src/native/mod.ts";
import { codeOf } from "./support/code-of.ts";
import { native, unlessNative } from "./support/native.ts";

const folder = mkdtempSync(join(tmpdir(), "waybill-segments-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fresh = (prefix = "segment") => join(folder, `${prefix}-${randomBytes(4).toString("hex")}`);

/** Opens and maps a segment by its path, and closes the file: the pages stay. */
function map(addon: NativeAddon, path: string, writable: boolean): Uint8Array {
  const file = addon.openSegment(path, writable);
  const bytes = new Uint8Array(addon.mapSegment(file.fd, file.byteLength, writable));
  addon.closeSegment(file.fd);
  return bytes;
}

describe("a segment", () => {
  unlessNative("is seen by every mapping of it, and outlives its path and its files", () => {
    const addon = native();
    const path = fresh();
    const file = addon.createSegment(path, 8192);
    const written = new Uint8Array(addon.mapSegment(file.fd, file.byteLength, true));
    const read = map(addon, path, false);
    addon.unlinkSegment(path);
    addon.unlinkSegment(path);
    addon.closeSegment(file.fd);
    written.set([1, 2, 3], 8189);
    expect([...read.subarray(8188)]).toEqual([0, 1, 2, 3]);
  });

  unlessNative("leaves zeros to the views of what is unmapped", () => {
    const addon = native();
    const path = fresh();
    const file = addon.createSegment(path, 4096);
    const bytes = new Uint8Array(addon.mapSegment(file.fd, 4096, true));
    const other = map(addon, path, false);
    bytes[7] = 7;
    addon.unmapSegment(bytes.buffer as ArrayBuffer);
    addon.unmapSegment(bytes.buffer as ArrayBuffer);
    expect(bytes[7]).toBe(0);
    bytes[7] = 8;
    expect(other[7]).toBe(7);
    addon.closeSegment(file.fd);
    expect(codeOf(() => addon.unmapSegment(new ArrayBuffer(8)))).toBe("EINVAL");
  });

  unlessNative("without a path is opened through /proc, and keeps its size", () => {
    const addon = native();
    const file = addon.createMemorySegment("waybill-test", 4096);
    const bytes = new Uint8Array(addon.mapSegment(file.fd, 4096, true));
    const path = `/proc/${process.pid}/fd/${file.fd}`;
    const read = map(addon, path, false);
    bytes[9] = 9;
    expect(read[9]).toBe(9);
    expect(codeOf(() => addon.mapSegment(file.fd, 4097, false))).toBe("EINVAL");
    addon.closeSegment(file.fd);
    expect(codeOf(() => addon.openSegment(path, false))).toBe("ENOENT");
  });

  unlessNative("larger than its file system is refused, and leaves no file", () => {
    const addon = native();
    const { totalBytes, freeBytes } = addon.segmentSpace(folder);
    expect(freeBytes <= totalBytes).toBe(true);
    const path = join("/dev/shm", `waybill-test-${randomBytes(8).toString("hex")}`);
    const tooMuch = addon.segmentSpace("/dev/shm").totalBytes + 4096;
    expect(codeOf(() => addon.createSegment(path, tooMuch))).toBe("ENOSPC");
    expect(codeOf(() => addon.openSegment(path, false))).toBe("ENOENT");
  });

  unlessNative("is not made over another file, nor opened where there is a link, a pipe or nothing", () => {
    const addon = native();
    const path = fresh();
    writeFileSync(path, "mine");
    expect(codeOf(() => addon.createSegment(path, 4096))).toBe("EEXIST");
    const link = fresh();
    symlinkSync(path, link);
    expect(codeOf(() => addon.openSegment(link, false))).toBe("ELOOP");
    expect(codeOf(() => addon.openSegment("/dev/null", false))).toBe("EINVAL");
    expect(codeOf(() => addon.openSegment(fresh(), false))).toBe("ENOENT");
    expect(() => addon.openSegment(`${path}\0x`, false)).toThrow("NUL");
    expect(() => addon.createSegment(path, -1)).toThrow("byteLength");
  });
});

describe("a sweep", () => {
  unlessNative("removes what nobody holds, keeps what somebody holds, and looks at nothing else", () => {
    const addon = native();
    const held = fresh("swept");
    const left = fresh("swept");
    const other = fresh("other");
    const file = addon.createSegment(held, 4096);
    writeFileSync(left, "left behind");
    writeFileSync(other, "not of ours");
    expect(addon.sweepSegments(folder, "swept-")).toEqual({ removed: [left], kept: [held] });
    addon.closeSegment(file.fd);
    expect(addon.sweepSegments(folder, "swept-")).toEqual({ removed: [held], kept: [] });
    expect(addon.sweepSegments(folder, "other-").removed).toEqual([other]);
    expect(codeOf(() => addon.sweepSegments(fresh(), ""))).toBe("ENOENT");
  });
});

unlessNative("what is mapped stays readable while it is collected and mapped again", () => {
  const addon = native();
  const path = fresh();
  const file = addon.createSegment(path, 1 << 20);
  new Uint8Array(addon.mapSegment(file.fd, file.byteLength, true)).fill(5);
  for (let i = 0; i < 500; i++) expect(map(addon, path, false)[i]).toBe(5);
  addon.closeSegment(file.fd);
});
