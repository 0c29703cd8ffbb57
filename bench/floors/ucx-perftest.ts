/**
 * `ucx_perftest`, which comes with UCX's wheel, as a floor.
 *
 * @module
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** What to run. */
export interface PerftestOptions {
  /** `UCX_TLS`. */
  readonly tls: string;
  /** Such as `ucp_am_bw`. */
  readonly test: string;
  readonly bytes: number;
  readonly iterations: number;
}

const run = promisify(execFile);

/** Runs both of its processes; `library` is the `libucp.so.0` beside which it lies. Gives what it says, in GB/s (10^9). */
export async function perftestBandwidth(library: string, options: PerftestOptions): Promise<number> {
  return (await perftest(library, options)).gigabytes;
}

async function perftest(library: string, { tls, test, bytes, iterations }: PerftestOptions): Promise<{ gigabytes: number }> {
  const folder = dirname(library);
  const program = join(folder, "../bin/ucx_perftest");
  await chmod(program, 0o755);
  const env = {
    ...process.env,
    // The tools do not find their own libraries.
    LD_LIBRARY_PATH: folder,
    UCX_TLS: tls,
    UCX_MEM_EVENTS: "n",
    UCX_LOG_LEVEL: "error",
    UCX_WARN_UNUSED_ENV_VARS: "n",
    UCX_MAX_RNDV_RAILS: "1",
  };
  const port = await freePort();
  const server = spawn(program, ["-p", String(port)], { env, stdio: "ignore" });
  try {
    const args = ["127.0.0.1", "-p", String(port), "-t", test, "-s", String(bytes), "-n", String(iterations), "-w", "3", "-f"];
    for (let attempt = 0;; attempt++) {
      try {
        const { stdout } = await run(program, args, { env, timeout: 60_000 });
        const columns = stdout.trim().split("\n").at(-1)!.trim().split(/\s+/).map(Number);
        // Iterations, three times in microseconds, two bandwidths in MB/s (2^20), two rates.
        return { gigabytes: columns[5]! * 2 ** 20 / 1e9 };
      } catch (error) {
        // Until the other one listens.
        if (attempt >= 50) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  } finally {
    if (server.exitCode === null && server.signalCode === null) {
      const exited = once(server, "exit");
      server.kill();
      await exited;
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
