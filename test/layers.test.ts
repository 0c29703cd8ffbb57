import { describe, expect, test } from "bun:test";
import { layerFaults, runtimeFaults } from "./support/layers.ts";
import { parseSource, readSources } from "./support/source.ts";

const maxLines = 400;

const isGenerated = ({ text }: { text: string }) => /^\/\/ @generated/m.test(text);

describe("the source tree", () => {
  const sources = readSources("src/**/*.ts");

  test("imports only downwards through the layers", () => {
    expect(sources.flatMap(layerFaults)).toEqual([]);
  });

  test("uses web APIs only, in the layers that run everywhere", () => {
    expect(sources.flatMap(runtimeFaults)).toEqual([]);
  });

  test("says any nowhere", () => {
    expect(sources.flatMap(({ path, anys }) => anys.map((line) => `${path}:${line}`))).toEqual([]);
  });

  test("keeps the command line out of mod.ts", () => {
    const imports = readSources("mod.ts").flatMap(({ imports }) => imports.map(({ target }) => target));
    expect(imports.filter((target) => target.startsWith("src/cli/"))).toEqual([]);
  });

  test(`has no file of more than ${maxLines} lines`, () => {
    const all = readSources("mod.ts", "{src,test,scripts,bench,examples}/**/*.ts").filter((source) => !isGenerated(source));
    const lines = all.map(({ path, text }) => ({ path, count: text.split("\n").length - 1 }));
    expect(lines.filter(({ count }) => count > maxLines).map(({ path, count }) => `${path}: ${count} lines`)).toEqual([]);
  });

  test("holds generated code in gen/, and nothing else there", () => {
    expect(readSources("gen/**/*.ts").filter((source) => !isGenerated(source)).map(({ path }) => path)).toEqual([]);
    expect(sources.filter(isGenerated).map(({ path }) => path)).toEqual([]);
  });
});

describe("the layer rules", () => {
  const faults = (path: string, text: string) => {
    const source = parseSource(path, text);
    return [...layerFaults(source), ...runtimeFaults(source)];
  };

  test("let a layer know what the layers below it know", () => {
    expect(faults("src/client/a.ts", `import { a } from "../bus/b.ts"; import { g } from "../../gen/g_pb.ts";`)).toEqual([]);
    expect(faults("src/testing/a.ts", `export * from "../deployment/broker/broker.ts";`)).toEqual([]);
  });

  test("refuse every form of an import that goes upwards", () => {
    const forms = [
      `import { a } from "../client/c.ts";`,
      `import type { A } from "../client/c.ts";`,
      `export { a } from "../client/c.ts";`,
      `export * from "../client/c.ts";`,
      `await import("../client/c.ts");`,
      `type A = import("../client/c.ts").A;`,
      `new Worker(new URL("../client/c.ts", import.meta.url));`,
    ];
    for (const form of forms) {
      expect(faults("src/bus/a.ts", form)).toEqual(["src/bus/a.ts:1: bus may not import src/client/c.ts"]);
    }
  });

  test("refuse what is outside src and gen, and the other way round into the supervisor", () => {
    expect(faults("src/bus/a.ts", `import "../../test/shim.ts";`)).toHaveLength(1);
    expect(faults("src/deployment/broker/a.ts", `import "../up.ts";`)).toHaveLength(1);
    expect(faults("src/testing/a.ts", `import "../deployment/up.ts";`)).toHaveLength(1);
  });

  test("let the HTTP client know types of the client and no more", () => {
    expect(faults("src/http/a.ts", `import type { A } from "../client/c.ts";`)).toEqual([]);
    expect(faults("src/http/a.ts", `import { type A } from "../client/c.ts";`)).toEqual([]);
    expect(faults("src/http/a.ts", `import { a } from "../client/c.ts";`)).toHaveLength(1);
  });

  test("let the data plane know the addon from files named for their runtime", () => {
    const text = `import { load } from "../native/load.ts";`;
    expect(faults("src/data/arena-node.ts", text)).toEqual([]);
    expect(faults("src/data/arena.ts", text)).toHaveLength(1);
    expect(faults("src/client/arena-node.ts", text)).toHaveLength(1);
  });

  test("refuse one runtime's modules and globals where all have to do", () => {
    for (const text of [`import "node:fs";`, `process.exit();`, `globalThis.Deno;`, `typeof Bun;`]) {
      expect(faults("src/rpc/a.ts", text)).toHaveLength(1);
      expect(faults("src/rpc/a-node.ts", text)).toEqual([]);
      expect(faults("src/worker/a.ts", text)).toEqual([]);
    }
    expect(faults("src/rpc/a.ts", `const a = { process: 1 }; a.process; "Deno" in globalThis;`)).toEqual([]);
  });
});
