import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { onLines } from "../../examples/hello_world/support/lines.ts";

/** What a client did, and the bytes that its process moved meanwhile. */
export interface Measured {
  readonly succeeded: number;
  readonly read: number;
  readonly written: number;
}

/** A client that has sent one request. */
export interface MeasuredClient {
  readonly ready: Promise<void>;
  /** Lets it send the others. */
  run(): Promise<Measured>;
}

/** A client in a process of its own, which waits after one request until it is told to go on. */
export function startMeasuredClient(url: string, runtimeDir: string, elements: number, requests: number): MeasuredClient {
  const file = fileURLToPath(new URL("../fixtures/measured-client.ts", import.meta.url));
  const args = [file, url, String(elements), String(requests)];
  // Where it finds who to be at the broker.
  const env = { ...process.env, XDG_RUNTIME_DIR: runtimeDir };
  const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"], env });
  const ready = Promise.withResolvers<void>();
  const done = Promise.withResolvers<Measured>();
  onLines(child.stdout, (line) => line === "ready" ? ready.resolve() : done.resolve(JSON.parse(line)));
  child.once("close", (code) => {
    const lost = new Error(`The client ended with exit code ${code}`);
    ready.reject(lost);
    done.reject(lost);
  });
  done.promise.catch(() => {});
  return {
    ready: ready.promise,
    run() {
      child.stdin.write("go\n");
      return done.promise;
    },
  };
}
