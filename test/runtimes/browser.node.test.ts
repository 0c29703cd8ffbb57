// Node alone: it serves the page and starts Chromium, where what is tested runs.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { webBundle } from "../../scripts/lib/web-bundle.ts";
import { skipped } from "../support/skip.ts";
import type { PageResult } from "./browser/page.ts";
import { type NodeWorld, startNode, TOKEN } from "../client/to-node/node-world.ts";
import { behaviours, fetchBehaviours } from "./behaviours.ts";
import { startWorld, type World } from "./world.ts";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const binary = [process.env.CHROMIUM_BIN, ...names].find((name) =>
  name !== undefined && spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0
);
const html = `<!doctype html><meta charset="utf-8"><title>Waybill</title><h1>Waybill in a browser</h1><ul></ul>
<script type="module" src="/page.js"></script>`;

let world: World;
let node: NodeWorld;
let server: Server;
let browser: ChildProcess;
let profile: string;
let results: readonly PageResult[];

/** Serves the page; resolves with what it reports. */
async function servePage(): Promise<{ origin: string; reported: Promise<readonly PageResult[]> }> {
  const { code } = await webBundle("test/runtimes/browser/page.ts");
  const reported = Promise.withResolvers<readonly PageResult[]>();
  server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://page");
    if (pathname === "/cut") world.websocket.cut();
    if (pathname === "/cut-node") node.cut();
    if (pathname === "/results") reported.resolve(JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString()));
    response.setHeader("content-type", pathname === "/page.js" ? "text/javascript" : "text/html");
    response.end(pathname === "/page.js" ? code : html);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${(server.address() as { port: number }).port}`, reported: reported.promise };
}

if (binary === undefined) {
  skipped("a client in a browser", "there is no Chromium here (CHROMIUM_BIN, PATH); on Debian: apt-get install chromium");
} else {
  beforeAll(async () => {
    const { origin, reported } = await servePage();
    [world, node] = await Promise.all([startWorld(origin), startNode(origin)]);
    profile = await mkdtemp(join(tmpdir(), "waybill-chromium-"));
    const page = `${origin}/?${new URLSearchParams({ broker: world.websocket.url, node: node.url, token: TOKEN })}`;
    const options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", `--user-data-dir=${profile}`];
    // In a process group of its own: its helpers end with it.
    browser = spawn(binary, [...options, page], { stdio: "ignore", detached: true });
    const ended = new Promise<never>((_, reject) =>
      browser.once("exit", (code) => reject(new Error(`Chromium ended with code ${code} before the page was done`)))
    );
    results = await Promise.race([reported, ended]);
  }, 120_000);

  afterAll(async () => {
    if (browser?.pid !== undefined && browser.exitCode === null) {
      const exited = new Promise((resolve) => browser.once("exit", resolve));
      process.kill(-browser.pid, "SIGKILL");
      await exited;
    }
    server?.close();
    await node?.stop();
    await world?.stop();
    if (profile !== undefined) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });

  const passes = (name: string) => expect(results.find((other) => other.name === name)).toEqual({ name });

  describe("a client in a browser", () => {
    for (const { name } of behaviours) test(name, () => passes(name));
  });

  describe("a client in a browser, straight to a node", () => {
    for (const { name } of fetchBehaviours) test(name, () => passes(`straight to a node: ${name}`));
  });
}
