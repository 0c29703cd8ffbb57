// What the pages show does not depend on the runtime, and is written once: Node runs it.
import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Broker, launchNatsServer } from "../../src/testing/mod.ts";
import { codeBlocks, type DocPrograms, entryPoints, writePrograms } from "../support/docs.ts";
import { layers } from "../support/layers.ts";
import { type Program, startProgram } from "../support/program.ts";

const pages = ["README.md", ...globSync("docs/*.md").sort()];
const run = promisify(execFile);

describe("the pages", () => {
  let broker: Broker;
  let worker: Program;
  const written: DocPrograms[] = [];
  const started: Program[] = [];

  async function programsOf(page: string): Promise<DocPrograms> {
    const programs = await writePrograms(page, { "ws://127.0.0.1:9222": String(broker.wsUrl) });
    written.push(programs);
    return programs;
  }

  /** Runs a program to its end, and gives the lines that it printed. */
  async function linesOf(programs: DocPrograms, file: string): Promise<string[]> {
    const program = startProgram(programs.path(file), [], { env: { WAYBILL_URL: broker.tcpUrl } });
    started.push(program);
    const { code } = await program.exited;
    if (code !== 0) throw new Error(`${file} ended with ${code}: ${program.output}`);
    return program.output.trimEnd().split("\n");
  }

  beforeAll(async () => {
    broker = await launchNatsServer();
    const programs = await programsOf("docs/operators.md");
    worker = startProgram(programs.path("worker.ts"), [], { env: { WAYBILL_URL: broker.tcpUrl } });
    started.push(worker);
    await worker.waitFor(/Serving/);
  });
  afterAll(async () => {
    await Promise.all(started.map((program) => program.kill()));
    await Promise.all(written.map((programs) => programs[Symbol.asyncDispose]()));
    await broker.stop();
  });

  test("show TypeScript that compiles", async () => {
    const folder = await mkdtemp(".docs-");
    try {
      for (const page of pages) {
        for (const { language, code, line } of await codeBlocks(page)) {
          // A module even where it imports nothing, so that blocks do not see each other's names.
          if (language === "ts") await writeFile(join(folder, `${basename(page, ".md")}-${line}.ts`), `${code}export {};\n`);
        }
      }
      const paths = Object.fromEntries(Object.entries(entryPoints).map(([name, path]) => [name, [`../${path}`]]));
      const compilerOptions = {
        paths: { ...paths, "bun:test": ["../test/shim.ts"] },
        // As a user's project is: strict, without the extras of this one.
        ...{ noUncheckedIndexedAccess: false, noUnusedLocals: false, isolatedDeclarations: false, declaration: false },
      };
      const config = { extends: "../tsconfig.json", compilerOptions, include: ["*.ts"] };
      await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
      const { stdout } = await run("node_modules/.bin/tsc", ["-p", folder]).catch((error) => error as { stdout: string });
      expect(stdout).toBe("");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("link to files that exist", async () => {
    const files = new Set(
      globSync([
        "*.md",
        "docs/**",
        "bench/**",
        "src/**",
        "test/**",
        "LICENSE",
        "examples/**",
        "native/{src,third_party,test}/**",
      ]),
    );
    for (const page of [...pages, ...globSync("*.md")]) {
      const text = await readFile(page, "utf8");
      for (const [, target = ""] of text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)) {
        expect([page, target, files.has(join(page, "..", target).replace(/\/$/, ""))]).toEqual([page, target, true]);
      }
    }
  });

  test("call an operator", async () => {
    const programs = await programsOf("docs/call.md");
    const lines = await linesOf(programs, "client.ts");
    expect(lines.slice(0, 4)).toEqual(["2 4 6 at attempt 1", "n = 1", "n = 2", "n = 3"]);
    expect(lines[4]).toContain(`"x" must be a Tensor`);
    expect(lines.slice(5).sort()).toEqual([
      "count 1 anything",
      "double 1 FP32",
      "quadruple 1 FP32",
      "route 1 anything",
      "total 1 FP32",
    ]);
    expect(await linesOf(programs, "own-connection.ts")).toEqual(["[ 8 ]"]);
    expect(await linesOf(programs, "conversation.ts")).toEqual(["2", "4", "6"]);
    expect(await linesOf(programs, "straight.ts")).toEqual(["[ 3, 6 ]", "[ 'triple' ]"]);
  });

  test("serve every kind of operator", async () => {
    const programs = await programsOf("docs/operators.md");
    await writeFile(
      join(programs.folder, "all.ts"),
      `import { connect } from "../mod.ts";
       const wb = await connect(process.env.WAYBILL_URL ?? "");
       const x = Float32Array.of(1, 2);
       for (const [name, output] of [["quadruple", "y"], ["route", "y"], ["total", "sum"]] as const) {
         const outputs = await wb.operator(name).infer({ x });
         console.log(name, (await outputs[output]!.fetch()).toNumbers().join(" "));
       }
       await wb.close();`,
    );
    expect(await linesOf(programs, "all.ts")).toEqual(["quadruple 4 8", "route 2 4", "total 3"]);
    const own = await linesOf(programs, "own.ts");
    expect(own.filter((line) => /^echo serves as [0-9a-f]{32}$/.test(line))).toHaveLength(1);
  });

  test("serve operators over KServe", async () => {
    const lines = await linesOf(await programsOf("docs/kserve.md"), "serve-kserve.ts");
    expect(lines[0]).toContain(`200 {"name":"double","versions":["1"],"platform":"waybill"`);
    expect(lines[1]).toMatch(/^200 \{"model_name":"double",.*"data":\[2\.0,4\.0,6\.0\]/);
  });

  test("move tensors", async () => {
    const programs = await programsOf("docs/tensors.md");
    expect(await linesOf(programs, "tensors.ts")).toEqual([
      "FP16 [2,2] (8 bytes) [ 1, 2.5, 3, 4 ]",
      "UINT8 [2,2,3] (12 bytes) [ 'edge', 'gpu' ] 7n",
    ]);
    expect(await linesOf(programs, "by-reference.ts")).toEqual(["FP32 [ 250000 ] 1000000", "4", "250000 by http"]);
    expect(await linesOf(programs, "for-one-request.ts")).toEqual(["250000 doubled"]);
    expect(await linesOf(await programsOf("docs/waybills.md"), "read-only.ts")).toEqual([
      "1000 Cannot use the tensor: it needs a valid capability for this, got none",
    ]);
  });

  test("post to a queue, and act on errors", async () => {
    const queue = await programsOf("docs/queue.md");
    expect(await linesOf(queue, "post.ts")).toEqual(["3 requests wait for a worker"]);
    expect(await linesOf(queue, "dead-letters.ts")).toEqual([""]);
    expect(await linesOf(await programsOf("docs/errors.md"), "errors.ts")).toEqual(["NotFound NOT_DECLARED"]);
  });

  test("start a sidecar", async () => {
    const programs = await programsOf("docs/sidecar.md");
    expect(await linesOf(programs, "own-sidecar.ts")).toEqual(["gpu-0 addon cpu true"]);
  });

  test("publish events, and hear them", async () => {
    const programs = await programsOf("docs/events.md");
    expect(await linesOf(programs, "events.ts")).toEqual(["jobs.encode.done a17", "overheated 3"]);
    expect(await linesOf(programs, "typed-events.ts")).toEqual(["a17 2030"]);
  });

  test("test operators, with and without a broker", async () => {
    const programs = await programsOf("docs/testing.md");
    expect(await linesOf(programs, "broker.ts")).toEqual(["[ 7 ]"]);
    const { stderr } = await run("node_modules/.bin/bun", ["test", `./${programs.path("double.test.ts")}`]);
    expect(stderr).toContain("1 pass");
  });

  test("watch a client", async () => {
    const programs = await programsOf("docs/observability.md");
    const [measured] = await linesOf(programs, "measured.ts");
    expect(measured).toContain("waybill_client_requests_total{operator=");
    expect(measured).toMatch(/outcome="ok",mode="queue",app="shop"\} 1$/);
    expect((await linesOf(programs, "traced.ts")).join(" ")).toContain("infer double");
  });

  test("deploy", async () => {
    const programs = await programsOf("docs/deploy.md");
    const [operators] = written;
    await writeFile(
      join(programs.folder, "worker.ts"),
      await readFile(join(String(operators?.folder), "worker.ts"), "utf8"),
    );
    const ports = ["--port", "0", "--websocket-port", "0", "--starting-metrics-port", "0"];
    const args = ["up", programs.path("deploy.ts"), ...ports, "--name", basename(programs.folder).slice(1)];
    const up = startProgram("src/cli/main.ts", args);
    started.push(up);
    await up.waitFor(/Workers started \.\.\. press Ctrl-C to Exit/, 60_000);
    await up.kill("SIGTERM");
    expect(up.output).toContain("Workers Stopped Exit Code 0");
  });

  test("change what runs", async () => {
    const programs = await programsOf("docs/live-changes.md");
    expect((await linesOf(programs, "autoscale.ts")).slice(2)).toEqual([
      "2 of 2",
      "answers.1 draining",
      "answers.1 stopped",
      "answers.1 starting",
      "answers.1 ready",
      "0",
    ]);
  });

  test("give a reason for every dependency, and a row for every layer", async () => {
    const text = await readFile("ARCHITECTURE.md", "utf8");
    const { dependencies, devDependencies } = JSON.parse(await readFile("package.json", "utf8"));
    const names = Object.keys({ ...dependencies, ...devDependencies });
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
    expect(Object.keys(layers).filter((layer) => !text.includes(`\`${layer}\``))).toEqual([]);
  });

  test("list every reason that an error can have", async () => {
    const reasons = new Set(["JS_<number>"]);
    for (const file of globSync("src/{bus,client,data,discovery,events,rpc,sidecar,worker}/**/*.ts")) {
      const text = await readFile(file, "utf8");
      for (const [, reason = ""] of text.matchAll(/(?:reason: (?:\w+ \? )?|#fault\()"([A-Z_]+)"/g)) reasons.add(reason);
    }
    const table = (await readFile("docs/errors.md", "utf8")).split("## Reasons")[1] ?? "";
    const listed = [...table.matchAll(/^\| `([A-Z_a-z<>]+)` \|/gm)].map(([, reason]) => reason);
    expect(listed.sort()).toEqual([...reasons].sort());
  });
});
