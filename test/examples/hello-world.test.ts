import { describe, expect, test } from "bun:test";
import { type AnyTensor, Code, ConnectError, type InferParameters, isRemoteTensor, Tensor } from "../../mod.ts";
import { clientFlags } from "../../examples/hello_world/client/options.ts";
import { runClientsHere } from "../../examples/hello_world/client/here.ts";
import { hasFailed, summarize } from "../../examples/hello_world/client/report.ts";
import { faultOf } from "../../examples/hello_world/client/workload.ts";
import { OPERATORS, type StageSettings } from "../../examples/hello_world/operators/mod.ts";
import type { WorkerGroup } from "../../examples/hello_world/support/layout.ts";
import { type MemoryDeployment, startMemoryDeployment } from "../../examples/hello_world/support/memory-deployment.ts";
import { startProgram } from "../support/program.ts";

type Outputs = Readonly<Record<string, AnyTensor<"INT64">>>;

function groups(settings: StageSettings, count = 1): WorkerGroup[] {
  return OPERATORS.map((operator) => ({ operator, count, kind: "CPU", settings }));
}

async function withDeployment(settings: StageSettings, use: (deployment: MemoryDeployment) => Promise<void>): Promise<void> {
  const deployment = await startMemoryDeployment(groups(settings));
  try {
    await use(deployment);
  } finally {
    await deployment.stop();
  }
}

function numbers(length: number): Tensor<"INT64"> {
  return Tensor.from("INT64", Array.from({ length }, (_, index) => BigInt(index) - 3n));
}

async function valuesOf(tensor: AnyTensor<"INT64"> | undefined): Promise<bigint[]> {
  return [...(await tensor!.fetch()).data];
}

async function rejection(work: Promise<unknown>): Promise<ConnectError> {
  try {
    await work;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("It did not fail");
}

describe("the hello world", () => {
  test("[W1] gives back what it got, for any size and any number of copies, by reference and inline", async () => {
    for (const inputCopies of [1, 2, 5]) {
      await withDeployment({ inputCopies }, async ({ connect }) => {
        const client = connect();
        await client.serveTensors({ http: false });
        for (const length of [0, 1, 7, 1000]) {
          for (const inline of [false, true]) {
            const input = numbers(length);
            const { output } = await client.operator<{ input: Tensor }, Outputs>("encoder_decoder", { inline }).infer({
              input,
            });
            expect(isRemoteTensor(output)).toBe(!inline);
            expect(await valuesOf(output)).toEqual([...input.data]);
            await output?.release();
          }
        }
        await client.close();
      });
    }
  });

  test("encodes by copying the whole input end to end and inverting every bit, and says how often", async () => {
    await withDeployment({ inputCopies: 2 }, async ({ connect }) => {
      const client = connect();
      const { output, input_copies: copies } = await client.operator<{ input: Tensor }, Outputs>("encoder").infer({
        input: Tensor.from("INT64", [1n, -2n, 2n ** 62n]),
      });
      expect(await valuesOf(output)).toEqual([~1n, 1n, ~(2n ** 62n), ~1n, 1n, ~(2n ** 62n)]);
      expect(await valuesOf(copies)).toEqual([2n]);
      expect(copies?.shape).toEqual([1]);
      await client.close();
    });
  });

  test("decodes by inverting every bit and keeping one copy", async () => {
    await withDeployment({ inputCopies: 2 }, async ({ connect }) => {
      const client = connect();
      const decoder = client.operator<{ input: Tensor }, Outputs>("decoder");
      const { output } = await decoder.infer({ input: Tensor.from("INT64", [~8n, ~9n, ~8n, ~9n]) });
      expect(await valuesOf(output)).toEqual([8n, 9n]);
      await client.close();
    });
  });

  test("makes five copies where nobody says how many", async () => {
    await withDeployment({}, async ({ connect }) => {
      const client = connect();
      const { output } = await client.operator<{ input: Tensor }, Outputs>("encoder").infer({ input: numbers(2) });
      expect(output?.shape).toEqual([10]);
      await client.close();
    });
  });

  test("lets a request choose its own copies and delay, which the next one knows nothing of", async () => {
    await withDeployment({ inputCopies: 1 }, async ({ connect }) => {
      const client = connect();
      const encoder = client.operator<{ input: Tensor }, Outputs>("encoder");
      const copiesOf = async (parameters: Record<string, number | string>) => {
        const { input_copies: copies } = await encoder.infer({ input: numbers(4) }, { parameters });
        return (await valuesOf(copies))[0];
      };
      expect(await Promise.all([copiesOf({ input_copies: 3 }), copiesOf({}), copiesOf({ input_copies: "2" })])).toEqual([
        3n,
        1n,
        2n,
      ]);
      const startedAt = performance.now();
      await copiesOf({ delay: 0.05 });
      expect(performance.now() - startedAt).toBeGreaterThan(4 * 50 - 5);
      const nextAt = performance.now();
      await copiesOf({});
      expect(performance.now() - nextAt).toBeLessThan(4 * 50 - 5);
      await client.close();
    });
  });

  test("takes its time for each element of the output", async () => {
    await withDeployment({ inputCopies: 2, delay: 0.02 }, async ({ connect }) => {
      const client = connect();
      const encoder = client.operator<{ input: Tensor }, Outputs>("encoder");
      const startedAt = performance.now();
      await encoder.infer({ input: numbers(5) });
      expect(performance.now() - startedAt).toBeGreaterThan(10 * 20 - 5);
      const emptyAt = performance.now();
      await encoder.infer({ input: numbers(0) });
      expect(performance.now() - emptyAt).toBeLessThan(10 * 20 - 5);
      await client.close();
    });
  });

  test("works on as many requests at once as it has instances, whatever it holds", async () => {
    for (const [instances, atLeastMs, atMostMs] of [[1, 600, Infinity], [3, 200, 590]] as const) {
      await withDeployment({ inputCopies: 1, delay: 0.2, maxInflight: 3, instances }, async ({ connect }) => {
        const client = connect();
        const encoder = client.operator<{ input: Tensor }, Outputs>("encoder");
        const startedAt = performance.now();
        await Promise.all([1, 2, 3].map(() => encoder.infer({ input: numbers(1) })));
        const tookMs = performance.now() - startedAt;
        expect(tookMs).toBeGreaterThan(atLeastMs - 5);
        expect(tookMs).toBeLessThan(atMostMs);
        await client.close();
      });
    }
  });

  test("gives a turn back that its caller no longer waits for", async () => {
    await withDeployment({ inputCopies: 1, maxInflight: 2 }, async ({ connect }) => {
      const client = connect();
      const encoder = client.operator<{ input: Tensor }, Outputs>("encoder");
      const late = await rejection(encoder.infer({ input: numbers(1) }, { parameters: { delay: 60 }, timeoutMs: 100 }));
      expect(late.code).toBe(Code.DeadlineExceeded);
      await encoder.infer({ input: numbers(1) }, { timeoutMs: 5_000 });
      await client.close();
    });
  });

  test("refuses parameters that make no sense", async () => {
    await withDeployment({}, async ({ connect }) => {
      const client = connect();
      const encoder = client.operator<{ input: Tensor }, Outputs>("encoder");
      const nonsense: InferParameters[] = [{ input_copies: 0 }, { input_copies: 1.5 }, { input_copies: "x" }, { delay: -1 }, {
        delay: true,
      }];
      for (const parameters of nonsense) {
        const error = await rejection(encoder.infer({ input: numbers(1) }, { parameters }));
        expect(error.code).toBe(Code.InvalidArgument);
        expect(error.rawMessage).toContain(`Cannot use parameter "${Object.keys(parameters)[0]}"`);
      }
      await client.close();
    });
  });
});

describe("the client of the hello world", () => {
  test("[W2] [W3] [W4] checks each operator against what it alone does, from several clients with inputs of many sizes", async () => {
    await withDeployment({ inputCopies: 3, maxInflight: 4 }, async ({ connect }) => {
      for (const operator of OPERATORS) {
        for (const inline of [false, true]) {
          const flags = clientFlags({
            "request-plane-uri": "memory",
            "requests-per-client": 15,
            "input-size-mean": 3,
            "input-size-stdev": 4,
            "in-flight": 2,
            clients: 3,
            operator,
            inline,
          });
          const seen = new Set<string>();
          const reports = await runClientsHere(flags, {
            connect,
            onProgress: ({ client, request, from, error }) => seen.add(`${client} ${request} ${from !== ""} ${error}`),
            signal: new AbortController().signal,
          });
          const { succeeded, failed, exitCode } = summarize(reports);
          expect({ succeeded, failed, exitCode }).toEqual({ succeeded: 45, failed: 0, exitCode: 0 });
          expect(seen.size).toBe(45);
          expect([...seen].every((line) => line.endsWith(" true "))).toBe(true);
        }
      }
    });
  });

  test("counts what fails, says why, and stops where the next request would fail alike", async () => {
    const deployment = await startMemoryDeployment([{ operator: "encoder", count: 1, kind: "CPU", settings: {} }]);
    try {
      const flags = clientFlags({
        "request-plane-uri": "memory",
        operator: "decoder",
        "wait-ms": 100,
        "timeout-ms": 200,
        inline: true,
      });
      const errors: string[] = [];
      const onProgress = ({ error }: { error: string }) => void errors.push(error);
      const signal = new AbortController().signal;
      const [report] = await runClientsHere(flags, { connect: deployment.connect, onProgress, signal });
      expect(report?.failed).toBe(3);
      expect(report?.succeeded).toBe(0);
      expect(hasFailed(report!)).toBe(true);
      expect(errors).toEqual(Array(3).fill(report!.exception));
      expect(summarize([report!]).throughput).toBe(0);
    } finally {
      await deployment.stop();
    }
  });

  test("sees a wrong answer", () => {
    const input = numbers(3);
    const inverted = Tensor.from("INT64", [...input.data].map((value) => ~value));
    expect(faultOf("encoder_decoder", input, input, 1)).toBe(undefined);
    expect(faultOf("encoder", input, inverted, 1)).toBe(undefined);
    expect(faultOf("decoder", input, inverted, 1)).toBe(undefined);
    expect(faultOf("encoder_decoder", input, inverted, 1)).toBe("output[0] must be -3, got 2");
    expect(faultOf("encoder", input, input, 1)).toBe("output[0] must be 2, got -3");
    expect(faultOf("encoder", input, inverted, 2)).toBe("output must have 6 elements, got 3");
  });

  test("reports throughput and latency of what succeeded, and counts clients that failed", () => {
    const common = { requested: 4, startUpMs: 1_000, exception: "", stopped: false };
    const good = { ...common, client: 0, succeeded: 4, failed: 0, elapsedMs: 2_000, latenciesMs: [1, 2, 3, 40] };
    const bad = { ...common, client: 1, succeeded: 2, failed: 2, elapsedMs: 1_000, latenciesMs: [5, 6], exception: "x" };
    const stopped = { ...common, client: 2, succeeded: 0, failed: 0, elapsedMs: 10, latenciesMs: [], stopped: true };
    expect(summarize([good, bad, stopped])).toEqual({
      throughput: 3,
      totalTimeS: 2,
      startUpS: 1,
      succeeded: 6,
      failed: 2,
      latencyMs: { p50: 5, p99: 40, max: 40 },
      exitCode: 1,
    });
  });
});

describe("without a broker, on this runtime", () => {
  test("the single file runs to its end", async () => {
    const program = startProgram("examples/hello_world/single_file.ts", ["--request-plane", "memory"]);
    expect({ ...await program.exited, output: program.output }).toMatchObject({ code: 0 });
    expect(program.output).toContain("Starting Workers\n");
    expect(program.output).toMatch(/Finished Request: 9 Response From: [0-9a-f]{32} Error: None/);
    expect(program.output).toContain("Requests: 10 succeeded, 0 failed");
  });

  test("the one command prints both throughputs", async () => {
    const program = startProgram("scripts/start.ts", ["--request-plane", "memory", "--requests-per-client", "20"]);
    expect({ ...await program.exited, output: program.output }).toMatchObject({ code: 0 });
    expect(program.output).toMatch(/By reference +\d+ requests\/s, p50 [\d.]+ ms\nInline +\d+ requests\/s/);
  });

  test("clients get a stream piece by piece from two workers", async () => {
    const args = ["--request-plane", "memory", "--delay-ms", "5", "--text", "one two three"];
    const program = startProgram("examples/hello_world/stream.ts", args);
    expect({ ...await program.exited, output: program.output }).toMatchObject({ code: 0 });
    for (let client = 0; client < 4; client++) {
      expect(program.output).toMatch(new RegExp(`Client: ${client} Pieces: 3 From: speller\\.`));
    }
    for (const worker of ["speller.0", "speller.1"]) expect(program.output).toContain(`Pieces: 3 From: ${worker}`);
  });
});
