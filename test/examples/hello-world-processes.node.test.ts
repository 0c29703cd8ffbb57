// On Node alone: these are tests of programs, which run their workers and clients on Bun whatever runs the test.
import { stat } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { launchNatsServer } from "../../src/testing/mod.ts";
import { freePorts, withFolder } from "../deployment/support.ts";
import { type Program, startProgram } from "../support/program.ts";
import { familyOf, untilGone } from "./support.ts";

function run(file: string, args: readonly string[], folder?: string): Program {
  const env: Record<string, string> = folder === undefined ? {} : { XDG_RUNTIME_DIR: folder };
  return startProgram(`examples/hello_world/${file}`, args, { env });
}

/** Arguments of a deployment that meets no other. */
function deployArguments(folder: string, uri: string): string[] {
  const plane = ["--initialize-request-plane", "--request-plane-uri", uri];
  return [...plane, "--starting-metrics-port", "0", "--log-dir", join(folder, "logs"), "--clear-logs"];
}

async function exitOf(program: Program): Promise<{ code: number | null; output: string }> {
  const { code } = await program.exited;
  return { code, output: program.output };
}

describe("deployment and client of the hello world", () => {
  test("[HW1] [W8] may be started at the same moment, and both end with 0", async () => {
    await withFolder(async (folder) => {
      const uri = `nats://127.0.0.1:${await freePorts(1)}`;
      const deployment = run("deploy.ts", deployArguments(folder, uri), folder);
      const client = run("client.ts", ["--request-plane-uri", uri, "--requests-per-client", "10"], folder);
      expect(await exitOf(client)).toMatchObject({ code: 0 });
      expect(client.output).toMatch(/Throughput: [\d.]+ requests\/s Total Time: [\d.]+ s/);
      expect(client.output).toContain("Requests: 10 succeeded, 0 failed");
      expect(client.output).toContain("Clients Stopped Exit Code 0");
      await deployment.waitFor(/Workers started \.\.\. press Ctrl-C to Exit/);
      const family = await familyOf(deployment.pid);
      expect(family.length).toBeGreaterThan(4);
      expect((await deployment.kill("SIGTERM")).code).toBe(0);
      for (const word of ["Starting Workers", "Starting Worker:", "encoder_decoder.0", "Workers Stopped Exit Code 0"]) {
        expect(deployment.output).toContain(word);
      }
      // `--clear-logs` met a folder that was not there.
      expect((await stat(join(folder, "logs", "encoder.0.log"))).isFile()).toBe(true);
      await untilGone(family);
    });
  });

  test("[W6] say that GPU instances run on the CPU, and refuse what makes no sense", async () => {
    const wrong: [string, string[], string][] = [
      ["deploy.ts", ["--encoders", "1"], "Flag --encoders takes 4"],
      ["deploy.ts", ["--triton-core-models", "x"], "has no meaning here"],
      ["client.ts", ["--clients", "0"], "Flag --clients must be an integer from 1"],
      ["client.ts", ["--operator", "nobody"], "Flag --operator must be one of"],
    ];
    const programs = wrong.map(([file, args, message]) => ({ program: run(file, args), message }));
    for (const { program, message } of programs) {
      expect((await program.exited).code).toBe(2);
      expect(program.output).toContain(message);
      expect(program.output).toContain("Usage: ");
    }
    const far = run("deploy.ts", [
      "--initialize-request-plane",
      "--request-plane-uri",
      "nats://example.com:4222",
      "--encoders",
      "1",
      "1",
      "1",
      "GPU",
    ]);
    expect((await far.exited).code).toBe(1);
    expect(far.output).toContain("Warning: instance kind GPU was asked for");
    expect(far.output).toContain('a broker is started on this machine alone, got "example.com"');
  });
});

describe("clients of a deployment with copies and several workers", () => {
  let uri = "";
  /** Where its clients find who to be. */
  let state = "";
  let deployment: Program;
  let stopped: Promise<void>;
  let stop = () => {};
  beforeAll(async () => {
    const ready = Promise.withResolvers<void>();
    const over = new Promise<void>((resolve) => stop = resolve);
    stopped = withFolder(async (folder) => {
      state = folder;
      uri = `nats://127.0.0.1:${await freePorts(1)}`;
      const shape = ["--encoder-input-copies", "3", "--encoders", "2", "2", "1", "CPU", "--encoder-decoders", "2", "4"];
      deployment = run("deploy.ts", [...deployArguments(folder, uri), ...shape], folder);
      await deployment.waitFor(/Workers started/, 50_000).then(() => ready.resolve(), ready.reject);
      await over;
      await deployment.kill("SIGTERM");
    });
    await ready.promise;
  });
  afterAll(async () => {
    stop();
    await stopped;
  });

  test("[W2] [W3] [W4] check every operator, from several processes with inputs of many sizes", async () => {
    for (const operator of ["encoder_decoder", "encoder", "decoder"]) {
      const sizes = ["--input-size-mean", "50", "--input-size-stdev", "60"];
      const args = [
        "--request-plane-uri",
        uri,
        "--operator",
        operator,
        "--requests-per-client",
        "15",
        "--clients",
        "2",
        ...sizes,
      ];
      const [reference, inline] = [
        run("client.ts", args, state),
        run("client.ts", [...args, "--inline", "--json", "--in-flight", "3"], state),
      ];
      expect(await exitOf(reference)).toMatchObject({ code: 0 });
      expect(reference.output).toContain("Requests: 30 succeeded, 0 failed");
      expect(reference.output).toMatch(/Client: 1 Received Response: 14 From: [0-9a-f]{32} Error: None/);
      expect(await exitOf(inline)).toMatchObject({ code: 0 });
      expect(JSON.parse(inline.output)).toMatchObject({ succeeded: 30, failed: 0, exitCode: 0, operator, inline: true });
    }
  });

  test("end cleanly on Ctrl-C, and leave no process", async () => {
    const client = run("client.ts", ["--request-plane-uri", uri, "--requests-per-client", "1500", "--clients", "2"], state);
    await client.waitFor(/Received Response/, 30_000);
    const family = await familyOf(client.pid);
    expect(family.length).toBe(3);
    expect((await client.kill("SIGINT")).code).toBe(0);
    expect(client.output).toContain("Stopping Clients");
    expect(client.output).toContain("Clients Stopped Exit Code 0");
    await untilGone(family);
  });
});

describe("a client without a deployment", () => {
  test("shows the error, counts it, and exits with the number of clients that failed", async () => {
    const broker = await launchNatsServer();
    try {
      const args = ["--request-plane-uri", broker.tcpUrl, "--clients", "2", "--wait-ms", "300", "--timeout-ms", "20000"];
      const client = run("client.ts", [...args, "--operator", "encoder"]);
      expect(await exitOf(client)).toMatchObject({ code: 2 });
      expect(client.output).toMatch(
        /Client: 0 Received Response: 0 From: nobody Error: .*"encoder".*no such operator is declared/,
      );
      expect(client.output).toMatch(/Client: 1 Exception: .*"encoder"/);
      expect(client.output).toContain("Throughput: 0.00 requests/s");
      expect(client.output).toContain("Clients Stopped Exit Code 2");
    } finally {
      await broker.stop();
    }
  });

  test("[W7] says that there is no broker where it was sent to", async () => {
    const uri = `nats://127.0.0.1:${await freePorts(1)}`;
    const client = run("client.ts", ["--request-plane-uri", uri, "--wait-ms", "200"]);
    expect(await exitOf(client)).toMatchObject({ code: 1 });
    expect(client.output).toMatch(/Client: 0 Exception: .*connect/i);
  });
});

describe("programs with a broker of their own", () => {
  test("[HW2] the single file runs to its end, with the five copies that it does not ask for", async () => {
    const program = run("single_file.ts", []);
    expect(await exitOf(program)).toMatchObject({ code: 0 });
    expect(program.output).toMatch(/Finished Request: 9 Response From: [0-9a-f]{32} Error: None/);
    for (const word of ["Starting Workers", "Sending Requests", "Stopping Workers"]) expect(program.output).toContain(word);
  });

  test("clients get a stream piece by piece from two or more workers", async () => {
    const program = run("stream.ts", ["--workers", "3", "--clients", "3", "--delay-ms", "100"]);
    expect(await exitOf(program)).toMatchObject({ code: 0 });
    const workers = [0, 1, 2].map((client) =>
      new RegExp(`Client: ${client} Pieces: 8 From: (speller\\.\\d)`).exec(program.output)?.[1]
    );
    expect(new Set(workers)).toEqual(new Set(["speller.0", "speller.1", "speller.2"]));
  });

  test("the one command runs beside someone who has its ports, and says so", async () => {
    const taken = await Promise.all([4222, 9222].map(occupy));
    try {
      const program = startProgram("scripts/start.ts", ["--requests-per-client", "20", "--warm-up", "5"]);
      expect(await exitOf(program)).toMatchObject({ code: 0 });
      expect(program.output).toContain("Port 4222 and 9222 of this machine is in use: the broker takes free ports instead");
      expect(program.output).toMatch(/Worker: encoder\.0 serves, bun process \d+/);
      expect(program.output).toMatch(/By reference +\d+ requests\/s, p50 [\d.]+ ms\nInline +\d+ requests\/s/);
    } finally {
      for (const server of taken) server?.close();
    }
  });

  test("the one command leaves nothing behind when it is stopped, whenever that is", async () => {
    for (const moment of [/Broker: /, /Deployment: /, /Received Response: /]) {
      const program = startProgram("scripts/start.ts", ["--requests-per-client", "1000000"]);
      await program.waitFor(moment, 40_000);
      const family = await familyOf(program.pid);
      expect(await program.kill("SIGINT").then(({ code }) => ({ code, output: program.output }))).toMatchObject({ code: 0 });
      await untilGone(family);
    }
  });
});

/** Listens on a port, unless someone else does. */
function occupy(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}
