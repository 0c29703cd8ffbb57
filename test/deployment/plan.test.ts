import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "bun:test";
import { backoffMs } from "../../src/deployment/backoff.ts";
import { defineDeployment, type DeploymentOptions, isDeploymentDefinition, startDeployment } from "../../src/deployment/mod.ts";
import { type DeploymentOverrides, type DeploymentPlan, planDeployment } from "../../src/deployment/plan.ts";
import { shownEnvironment } from "../../src/deployment/shown-environment.ts";
import { thisRuntime } from "../support/program.ts";
import { fixture, freePorts, withFolder } from "./support.ts";

const file = fixture("double.ts");
const worker = { name: "w", file };

function plan(options: DeploymentOptions, overrides: DeploymentOverrides = {}): Promise<DeploymentPlan> {
  return planDeployment(defineDeployment(options), { file: "/srv/app/deploy.ts", ...overrides });
}

/** What a file that nobody type-checked may say. */
async function refusal(options: unknown): Promise<string> {
  try {
    await plan(options as DeploymentOptions);
  } catch (error) {
    return ConnectError.from(error).message;
  }
  throw new Error("It was taken");
}

describe("a deployment file", () => {
  test("has the defaults of the clients", async () => {
    const { broker, namespace, servers, workers, logDir, drainMs } = await plan({ workers: [worker] });
    expect([broker?.port, broker?.websocketPort, broker?.maxPayloadBytes]).toEqual([4222, 9222, 8 * 2 ** 20]);
    expect([namespace, servers, logDir, drainMs]).toEqual(["default", [], "/srv/app/logs", 30_000]);
    expect(workers).toMatchObject([{
      name: "w.0",
      runtime: thisRuntime,
      metricsPort: 50_000,
      logFile: "/srv/app/logs/w.0.log",
    }]);
  });

  test("counts metrics ports over all workers, in their order", async () => {
    const workers = [{ ...worker, count: 2 }, { name: "none", file, count: 0 }, { name: "v", file }];
    const { workers: plans } = await plan({ workers, startingMetricsPort: 6000 });
    expect(plans.map(({ name, metricsPort }) => [name, metricsPort])).toEqual([["w.0", 6000], ["w.1", 6001], ["v.0", 6002]]);
    const off = await plan({ workers, startingMetricsPort: 0 });
    expect(off.workers.map(({ metricsPort }) => metricsPort)).toEqual([undefined, undefined, undefined]);
  });

  test("gives way to what is said when it is started", async () => {
    const options: DeploymentOptions = {
      workers: [worker],
      broker: { port: 1, maxPayloadBytes: 4096 },
      logDir: "here",
      clearLogs: true,
    };
    const overrides = {
      port: 0,
      websocketPort: false,
      logDir: "/tmp/x",
      logLevel: "debug",
      name: "n",
      clearLogs: undefined,
    } as const;
    const { broker, logDir, logLevel, name, clearLogs } = await plan(options, overrides);
    expect(broker).toMatchObject({ port: 0, websocketPort: false, maxPayloadBytes: 4096 });
    expect([logDir, logLevel, name, clearLogs]).toEqual(["/tmp/x", "debug", "n", true]);
  });

  test("keeps what the broker stores where it is told to", async () => {
    const dataDir = async (broker: DeploymentOptions["broker"]) => (await plan({ workers: [], broker })).broker?.dataDir;
    expect(await dataDir({})).toBe(undefined);
    expect(await dataDir({ storage: "file" })).toBe("/srv/app/data");
    expect(await dataDir({ dataDir: "../kept" })).toBe("/srv/kept");
  });

  test("is refused by file, field, value seen and value wanted", async () => {
    const selfish: Record<string, unknown> = {};
    selfish.itself = selfish;
    const refused: [unknown, string][] = [
      [{}, "workers must be a list of workers, got undefined"],
      [undefined, "it must be an object, got undefined"],
      [{ workers: [{ name: "w" }] }, "workers[0].file must be a path or a file: URL, got undefined"],
      [{ workers: [{ ...worker, count: "two" }] }, 'workers[0].count must be an integer from 0 to 1000, got "two"'],
      [{ workers: [{ ...worker, count: 2n }] }, 'workers[0].count must be an integer from 0 to 1000, got "2n"'],
      [{ workers: [{ ...worker, count: 1_001 }] }, "workers[0].count must be an integer from 0 to 1000, got 1001"],
      [{ workers: [{ ...worker, cuont: 2 }] }, "unknown field workers[0].cuont, did you mean workers[0].count?"],
      [{ worker: [] }, "unknown field worker, did you mean workers?"],
      [{ workers: [], colour: 1 }, "unknown field colour, known are name, namespace, broker, servers"],
      [{ workers: { worker } }, "workers must be a list of workers, got {"],
      [{ workers: ["./w.ts"] }, 'workers[0] must be an object, got "./w.ts"'],
      [{ workers: [{ name: "w", file: dirname(file) }] }, "workers[0].file must be a file that is there, not a folder, got "],
      [
        { workers: [], servers: ["nats://me:secret@a:1", "b:1"] },
        'servers[1] needs the scheme ws://, wss://, nats:// or tls://, got "b:1"',
      ],
      [{ workers: [], token: 123456 }, 'token must be a string that is not empty, got "[object Number]"'],
      [{ workers: [], logDir: selfish }, "logDir must be a string that is not empty, got an object with the fields itself"],
      [{ workers: [worker, worker] }, `workers[1].name must be another one than workers[0]'s, got "w"`],
      [{ workers: [{ name: "a b", file }] }, 'workers[0].name must be 1 to 64 letters, digits, _ or -, got "a b"'],
      [{ workers: [{ name: "w", file: "nope.ts" }] }, 'workers[0].file must be a file that is there, got "/srv/app/nope.ts"'],
      [{ workers: [{ ...worker, runtime: "python" }] }, 'workers[0].runtime must be "bun" or "deno" or "node", got "python"'],
      [{ workers: [{ ...worker, env: { KEY: 1 } }] }, "workers[0].env.KEY must be a string, got 1"],
      [{ workers: [{ ...worker, operators: [] }] }, "workers[0].operators must be a list of operators' names, got []"],
      [{ workers: [], broker: { port: 70_000 } }, "broker.port must be a port from 0 to 65535, got 70000"],
      [{ workers: [], broker: { prot: 1 } }, "unknown field broker.prot, did you mean broker.port?"],
      [{ workers: [], broker: false }, "servers must be given where broker is false, got undefined"],
      [
        { workers: [], broker: {}, servers: "nats://me:secret@host:1" },
        'left out where there is a broker to start, got "nats://***@host:1"',
      ],
      [{ workers: [], restart: { backoffMs: -1 } }, "restart.backoffMs must be a number of milliseconds from 0, got -1"],
      [{ workers: [worker], startingMetricsPort: 65_536 }, "startingMetricsPort must be a port from 0 to 65535, got 65536"],
      [
        { workers: [{ ...worker, count: 2 }], startingMetricsPort: 65_535 },
        "low enough for a port for each worker up to w.1, got 65535",
      ],
      [{ workers: [], clients: { web: {} } }, "clients.web.operators must be a list of operators' names, got undefined"],
      [
        { workers: [], clients: { "a.b": { operators: ["x"] } } },
        'a name in clients must be 1 to 32 of a-z, 0-9, _ and -, got "a.b"',
      ],
      [
        { workers: [], clients: { web: { operators: ["x"], password: "short" } } },
        "clients.web.password must be at least 16 characters, got 5",
      ],
      [{ workers: [], clients: {}, token: "t" }, "clients must be left out where there is a token for everybody, got []"],
      [
        { workers: [], clients: {}, servers: "nats://h:1" },
        "clients must be left out where there is no broker to start, got []",
      ],
      [{ workers: [], logLevel: 1 }, 'logLevel must be "error" or "warn" or "info" or "debug", got 1'],
      [{ workers: [], namespace: "A.B" }, 'namespace must be 1 to 32 of a-z, 0-9, _ and -, got "A.B"'],
    ];
    for (const [options, message] of refused) {
      const seen = await refusal(options);
      expect(seen).toContain(message);
      expect(seen).toContain("[invalid_argument] Cannot use the deployment /srv/app/deploy.ts: ");
    }
  });

  test("is known by its default export", () => {
    expect(isDeploymentDefinition(defineDeployment({ workers: [] }))).toBe(true);
    for (const other of [undefined, {}, { options: { workers: [] } }]) expect(isDeploymentDefinition(other)).toBe(false);
  });
});

describe("starting a deployment", () => {
  test("names a port that is taken, and what it was for", async () => {
    await withFolder(async (folder) => {
      const first = await freePorts(3);
      const server = createServer();
      await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: first + 1 }, resolve));
      const start = (options: Partial<DeploymentOptions>) => {
        const definition = defineDeployment({ workers: [{ ...worker, count: 2 }], logDir: join(folder, "logs"), ...options });
        return startDeployment(definition, { stateDir: join(folder, "state"), file: "/srv/deploy.ts" });
      };
      try {
        await expect(start({ broker: { port: first + 1 } })).rejects.toThrow(
          `[failed_precondition] Cannot start the deployment /srv/deploy.ts: port ${first + 1}, for the broker, is taken; `,
        );
        await expect(start({ broker: { port: first, websocketPort: first + 1 } })).rejects.toThrow(
          "for the broker's websocket, is taken",
        );
        await expect(start({ broker: { port: first, websocketPort: first } })).rejects.toThrow(
          `port ${first} is wanted for the broker and for the broker's websocket; set broker.port (--port) or broker.websocketPort`,
        );
        await expect(start({ broker: { port: 0, websocketPort: 0 }, startingMetricsPort: first })).rejects.toThrow(
          `port ${
            first + 1
          }, for the metrics of w.1, is taken; stop what has it ("waybill ps" lists deployments), or set startingMetricsPort`,
        );
      } finally {
        server.close();
      }
    });
  });

  test("fails on a log folder that is a file", async () => {
    await withFolder(async (folder) => {
      await writeFile(join(folder, "logs"), "");
      const definition = defineDeployment({ workers: [], broker: { port: 0, websocketPort: 0 }, logDir: join(folder, "logs") });
      await expect(startDeployment(definition, { stateDir: join(folder, "state") })).rejects.toThrow(
        /logDir ".*" must be a folder to write to/,
      );
    });
  });
});

describe("what a worker is told", () => {
  test("is shown without what sounds like a secret, and without what everybody is told", () => {
    const env = {
      HOME: "/root",
      WAYBILL_URL: "nats://me:secret@a:1,nats://b:2",
      WAYBILL_PASSWORD: "secret",
      HF_TOKEN: "secret",
      API_KEY: "secret",
      MODEL: "small",
      WAYBILL_TOKEN: undefined,
    };
    expect(shownEnvironment(env, { HOME: "/root", MODEL: "large" })).toEqual({
      WAYBILL_URL: "nats://***@a:1,nats://b:2",
      WAYBILL_PASSWORD: "***",
      HF_TOKEN: "***",
      API_KEY: "***",
      MODEL: "small",
    });
  });
});

describe("the wait before a restart", () => {
  const policy = { maxRestarts: Infinity, backoffMs: 100, maxBackoffMs: 1_000 };

  test("doubles up to its bound, less up to a quarter at random", () => {
    expect([1, 2, 3, 4, 5, 1000].map((inARow) => backoffMs(policy, inARow, 0))).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(backoffMs(policy, 5, 1)).toBe(750);
  });
});
