import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type DescribeResponse, NodeService } from "../../gen/waybill/v1/node_pb.ts";
import { secretFileOf } from "../../src/data/node-socket.ts";
import { loadNative } from "../../src/native/mod.ts";
import type { SidecarOptions } from "../../src/sidecar/options.ts";
import { type Program, startProgram } from "./program.ts";

/** Why there is no shared memory here; `undefined` where there is. */
export const noSharedMemory: string | undefined = loadNative().unavailable;

/** A sidecar that runs as a process of its own, on Node, and can be killed and started again in the same place. */
export class SidecarProcess {
  /** `unix:` and its socket: what workers are told. */
  readonly address: string;
  /** Its socket. */
  readonly socketPath: string;
  readonly #folder: string;
  readonly #options: SidecarOptions;
  #program: Program | undefined;

  constructor(options: SidecarOptions = {}) {
    this.#folder = mkdtempSync(join(tmpdir(), "waybill-node-"));
    this.socketPath = join(this.#folder, "node.sock");
    this.address = `unix:${this.socketPath}`;
    this.#options = { node: "node-a", ucx: false, drainMs: 0, ...options, socketPath: this.socketPath };
  }

  /** Starts it, and waits until it serves. */
  async start(): Promise<this> {
    this.#program = startProgram("test/fixtures/sidecar.ts", [JSON.stringify(this.#options)], { runtime: "node" });
    await this.#program.waitFor(/"Serving"/);
    return this;
  }

  /** The process. */
  get program(): Program {
    if (this.#program === undefined) throw new Error("It was not started");
    return this.#program;
  }

  /** What it says of itself. */
  async describe(): Promise<DescribeResponse> {
    const nodeOptions = { socketPath: this.socketPath };
    const transport = createConnectTransport({ httpVersion: "1.1", baseUrl: "http://localhost", nodeOptions });
    const authorization = `Bearer ${(await readFile(secretFileOf(this.socketPath), "utf8")).trim()}`;
    return await createClient(NodeService, transport).describe({}, { headers: { authorization }, timeoutMs: 5_000 });
  }

  /** Ends it, and leaves nothing behind but what a signal does not let it remove. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.#program?.kill(signal);
  }

  /** Ends it for good. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
