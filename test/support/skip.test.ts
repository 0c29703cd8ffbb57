import { describe, expect, test } from "bun:test";
import { testUnless } from "./skip.ts";

describe("testUnless", () => {
  testUnless(undefined, "runs the test when there is no reason not to", () => {
    expect(1 + 1).toBe(2);
  });

  test("is reported by every runtime", async () => {
    await expect(Promise.reject(new Error("No"))).rejects.toThrow("No");
  });
});
