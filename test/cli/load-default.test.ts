import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { loadDeployment } from "../../src/cli/load-deployment.ts";
import { failure } from "../support/waiting.ts";
import { withFolder } from "../deployment/support.ts";

describe("a deployment file", () => {
  test("that cannot be loaded is named with the place and the reason", async () => {
    await withFolder(async (folder) => {
      const refusal = async (name: string, text: string | undefined) => {
        const file = join(folder, name);
        if (text !== undefined) await writeFile(file, text);
        const { rawMessage } = await failure(loadDeployment(file));
        expect(rawMessage.startsWith(`Cannot load the deployment "${file}": `)).toBe(true);
        return rawMessage.slice(`Cannot load the deployment "${file}": `.length).replaceAll(folder, "");
      };
      expect(await refusal("none.ts", undefined)).toBe("there is no such file");
      expect(await refusal("syntax.ts", "const one: number = 1;\nexport default {;\n")).toMatch(
        /(;|identifier).*\/syntax\.ts:2/s,
      );
      expect(await refusal("import.ts", `import { x } from "./gone.ts";\nexport default x;\n`)).toMatch(/gone\.ts/);
      expect(await refusal("throws.ts", `throw new Error("boom");\n`)).toMatch(/^boom \(at (file:\/\/)?\/throws\.ts:1:\d+\)$/);
      const kind = "its default export must come from defineDeployment(), got";
      expect(await refusal("empty.ts", "export const one = 1;\n")).toBe(`${kind} no default export`);
      expect(await refusal("plain.ts", "export default { workers: [] };\n")).toBe(`${kind} a default export of type object`);
    });
  });
});
