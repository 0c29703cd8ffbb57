import { expect, test } from "bun:test";
import { missingPackages } from "../../scripts/lib/lock-file.ts";

test("a lock file is completed with the packages that only other platforms install", () => {
  const packages = {
    "": {},
    "node_modules/a": {
      dev: true,
      optionalDependencies: { "@a/linux-x64": "1.0.0", "@a/windows-aarch64": "1.0.0", "@a/linux-x64-musl": "1.0.0" },
    },
    "node_modules/@a/linux-x64": { version: "1.0.0" },
  };
  expect(missingPackages({ packages })).toEqual({
    "node_modules/@a/windows-aarch64": { version: "1.0.0", os: ["win32"], cpu: ["arm64"], dev: true, optional: true },
    "node_modules/@a/linux-x64-musl": {
      version: "1.0.0",
      os: ["linux"],
      cpu: ["x64"],
      libc: ["musl"],
      dev: true,
      optional: true,
    },
  });
});
