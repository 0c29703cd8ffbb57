import { describe, expect, test } from "bun:test";
import { loadNative } from "../../../src/native/mod.ts";
import { formatUcxAddress, parseUcxAddress, versionRefusal } from "../../../src/sidecar/ucx/mod.ts";
import { startProgram } from "../../support/program.ts";
import { unlessNoUcx } from "./support/skip.ts";

describe("a UCX library", () => {
  unlessNoUcx("that is missing, or is another one, is told by its path, and the next one is opened", async () => {
    // Something that can be opened, and has no function of UCX.
    const loaded = loadNative();
    const other = loaded.addon === undefined ? "" : loaded.path;
    const program = startProgram("test/sidecar/ucx/support/without.ts", ["/nowhere/libucp.so.0", other]);
    const [, first] = await program.waitFor(/FIRST (.*)\n/);
    expect(first).toContain("Cannot open a UCX wire: /nowhere/libucp.so.0: ");
    expect(first).toContain(`${other}: has no function ucp_`);
    await program.waitFor(/THEN opened\n/);
    expect(await program.exited).toEqual({ code: 0, signal: null });
  }, 60_000);

  test("talks to those of its minor version alone", () => {
    expect(versionRefusal("1.22.3", "1.22.0")).toBeUndefined();
    expect(versionRefusal("1.13.1", "1.22.0")).toBe("UCX 1.13.1 there and 1.22.0 here cannot talk to each other");
    expect(versionRefusal("2.22.0", "1.22.0")).toContain("cannot talk");
  });
});

describe("a UCX address", () => {
  test("is a host and a port, with brackets around IPv6", () => {
    expect(parseUcxAddress("gpu-0.example:7000")).toEqual({ host: "gpu-0.example", port: 7000 });
    expect(parseUcxAddress("[fe80::1]:1")).toEqual({ host: "fe80::1", port: 1 });
    expect(formatUcxAddress("::1", 7)).toBe("[::1]:7");
    expect(formatUcxAddress("10.0.0.1", 7)).toBe("10.0.0.1:7");
    for (
      const bad of ["", "host", "host:0", "host:70000", "::1:7", "[1.2.3.4]:7", "a b:7", "user@host:7", "[x]:7", "host:7/x"]
    ) {
      expect(() => parseUcxAddress(bad)).toThrow("Cannot use a UCX address");
    }
  });
});
