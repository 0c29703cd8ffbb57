import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import { connect } from "../../mod.ts";
import { operatorFlags } from "../../src/cli/worker/operator-flag.ts";
import { workerOptions } from "../../src/cli/worker/options.ts";
import { launchNatsServer } from "../../src/testing/mod.ts";
import { resolveOptions } from "../../src/worker/worker-options.ts";
import { startProgram } from "../support/program.ts";
import { failure } from "../support/waiting.ts";

const module = "test/fixtures/cli-operators.ts";
const encoder = `encoder,module=${module}`;

/** What a command line makes of a worker. */
async function told(flags: Parameters<typeof workerOptions>[0], ...rawArgs: string[]) {
  return resolveOptions(await workerOptions(flags, rawArgs), {});
}

async function ended(...args: string[]): Promise<{ code: number | null; output: string }> {
  const program = startProgram("src/cli/main.ts", ["worker", ...args]);
  const { code } = await program.exited;
  return { code, output: program.output.trim() };
}

describe("waybill worker", () => {
  test("[WK7] connects to the broker's usual port of this host unless told otherwise, and needs operators", async () => {
    const options = await told({}, "--operator", encoder);
    expect([options.servers, options.namespace, options.name]).toEqual([["nats://127.0.0.1:4222"], "default", "encoder"]);
    expect([options.metricsPort, options.logger]).toEqual([undefined, undefined]);
    expect(options.operators.map(({ name, maxInflight }) => [name, maxInflight])).toEqual([["encoder", 7]]);
    expect((await failure(workerOptions({}, []))).rawMessage).toContain("a file or an --operator");
  });

  test("[WK8] takes any broker URL as it is", async () => {
    const urls = ["nats://broker.example:4222", "tls://10.0.0.1:443", "ws://user:pa%2Css@[::1]:80", "wss://a.b:9222/path?x=1"];
    for (const url of urls) expect((await told({ url }, "--operator", encoder)).servers).toEqual([url]);
    const url = urls.join(",");
    expect((await told({ url }, "--operator", encoder)).servers).toEqual(urls);
  });

  test("[WK9] understands every combination of an operator's properties", async () => {
    const properties = {
      version: "2",
      maxInflight: 3,
      maxAttempts: 4,
      priorities: 2,
      storage: "file",
      idempotent: true,
      ackWaitMs: 1_000,
      maxQueuedMessages: 10,
      maxQueuedBytes: 1_000_000,
      maxQueuedAgeMs: 60_000,
    };
    const all = Object.entries(properties);
    for (let chosen = 0; chosen < 2 ** all.length; chosen++) {
      const some = all.filter((_, i) => (chosen >> i) % 2 === 1);
      const text = [encoder, ...some.map(([name, value]) => `${name}=${value}`)].join(",");
      expect(operatorFlags([`--operator=${text}`])).toEqual([{ name: "encoder", module, properties: some }]);
    }
    const text = [encoder, ...all.map(([name, value]) => `${name}=${value}`)].join(",");
    const { operators } = await told({}, "--operator", text, "--operator", `log,module=${module}`);
    expect(operators.map(({ name }) => name)).toEqual(["encoder", "log"]);
    expect(operators[0]).toMatchObject(properties);
  });

  test("[WK10] refuses an operator flag without a value as wrong usage", async () => {
    for (const args of [["--operator"], ["--operator", ""], ["--operator", "--url", "nats://127.0.0.1:1"], ["--operator="]]) {
      const { code, output } = await ended(...args);
      expect([args, code]).toEqual([args, 1]);
      expect(output).toMatch(/^Cannot run this: --operator expected at least one argument, NAME,module=FILE/);
    }
  });

  test("[WK11] takes an operator's name, its module and its properties in their order, and guesses no module", async () => {
    const text = "encoder,priorities=2,module=./a=b.ts,maxInflight=3,version=x";
    expect(operatorFlags(["worker.ts", "--operator", text])).toEqual([{
      name: "encoder",
      module: "./a=b.ts",
      properties: [["priorities", 2], ["maxInflight", 3], ["version", "x"]],
    }]);
    const refused = async (...args: string[]) => {
      const { code, rawMessage } = await failure(workerOptions({}, args.flatMap((arg) => ["--operator", arg])));
      expect([Code.InvalidArgument, Code.NotFound]).toContain(code);
      return rawMessage;
    };
    expect(await refused("encoder,maxInflight=3")).toContain('"encoder" must say the file that defines it, module=FILE');
    expect(await refused(`encoder,module=${module},speed=3`)).toContain('got "speed"');
    expect(await refused(`encoder,module=${module},maxInflight=many`)).toContain(
      'maxInflight must be a whole number, got "many"',
    );
    expect(await refused(`encoder,module=${module},maxInflight=0`)).toContain("maxInflight must be an integer from 1, got 0");
    expect(await refused(`encoder,module=${module},version=1,version=2`)).toContain('got "version" twice');
    expect(await refused(`decoder,module=${module}`)).toContain('must export it, its operators are "encoder", "log"');
    expect(await refused("encoder,module=nowhere.ts")).toBe('Cannot load the module "nowhere.ts": there is no such file');
    expect(await refused("module=a.ts")).toContain("must begin with a name");
  });

  test("[WK12] shows 2, 4 and 5 of five records at the log levels 0, 1 and 2", async () => {
    const broker = await launchNatsServer();
    try {
      const shown = await Promise.all(["0", "1", "2"].map(async (level) => {
        const args = ["worker", "--operator", `log,module=${module}`, "--url", broker.tcpUrl, "--namespace", `level-${level}`];
        const program = startProgram("src/cli/main.ts", [...args, "--log-level", level]);
        const client = await connect(broker.tcpUrl, { namespace: `level-${level}`, operatorWaitMs: 30_000 });
        try {
          await client.operator("log").infer({});
        } finally {
          await client.close();
          expect((await program.kill("SIGTERM")).code).toBe(0);
        }
        return program.output.split("\n").filter((line) => line.includes('"own":true')).map((line) => JSON.parse(line).msg);
      }));
      expect(shown).toEqual([
        ["an exception", "an error"],
        ["information", "a warning", "an exception", "an error"],
        ["information", "a warning", "an exception", "an error", "a detail"],
      ]);
    } finally {
      await broker.stop();
    }
  });
});
