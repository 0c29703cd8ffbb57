import { launchNatsServer } from "../../../src/testing/nats-server.ts";
import { Child } from "../../lib/child.ts";
import type { IdleAnswer, IdleCommand } from "../../lib/idle-clients.ts";
import { requireOpenFiles, statsOf, statsOfAll } from "../../lib/process-stats.ts";
import { type Case, makeCase } from "../../lib/report.ts";
import type { Findings, RunOptions } from "../../lib/suite.ts";

const PROCESSES = 5;
const KILOBYTE = 1024;
/** Sockets, and what the broker and the runtimes open beside them. */
const OTHER_FILES = 500;

interface Measured {
  readonly perSecondOpened: number;
  readonly brokerBytes: number;
  readonly clientBytes: number;
  readonly callsPerSecond: number;
  readonly errors: number;
  /** By clients that were open then. */
  readonly memory: readonly (readonly [clients: number, brokerMegabytes: number])[];
}

/** 5,000 clients with a websocket each that do nothing: their memory, at both ends, and what becomes of a request from each. */
export async function idleClients(options: RunOptions): Promise<Findings> {
  const clients = options.quick ? 500 : 5_000;
  await requireOpenFiles(clients + OTHER_FILES, `${clients.toLocaleString("en")} idle clients`);
  const floor = await measure(options, clients, "bench/floors/responder.ts", "bench/floors/idle-clients.ts");
  const product = await measure(options, clients, "bench/programs/worker.ts", "bench/programs/idle-clients.ts");
  const what = `${clients.toLocaleString("en")} idle websocket clients`;
  const none = { on: "value", atMost: 0 } as const;
  const cases: Case[] = [
    makeCase(`${what}: errors, with a request from each`, product.errors, "errors", undefined, none),
    makeCase("  memory of the broker, for each", product.brokerBytes / KILOBYTE, "KB", floor.brokerBytes / KILOBYTE),
    makeCase("  memory of the client's process, for each", product.clientBytes / KILOBYTE, "KB", floor.clientBytes / KILOBYTE),
    makeCase("  opened", product.perSecondOpened, "clients/s", floor.perSecondOpened),
    makeCase("  a first request from each", product.callsPerSecond, "requests/s", floor.callsPerSecond),
  ];
  const chart = {
    id: "idle-clients",
    title: "Memory of the broker with idle websocket clients",
    x: { label: "clients" },
    y: { label: "resident MB" },
    series: [{ name: "waybill", points: product.memory }, { name: "raw NATS", points: floor.memory, floor: true }],
  };
  return { cases, charts: [chart] };
}

async function measure(options: RunOptions, count: number, server: string, program: string): Promise<Measured> {
  return await options.resources.scope(async (resources) => {
    const { runtime } = options;
    const broker = await resources.start(launchNatsServer());
    const url = broker.wsUrl;
    if (url === undefined) throw new Error("the broker has no websocket");
    await Child.start(resources, runtime, server, broker.tcpUrl);
    const programs: Child[] = [];
    while (programs.length < PROCESSES) programs.push(await Child.start(resources, runtime, program, url));
    const pids = programs.map(({ pid }) => pid);
    const all = async (command: IdleCommand["command"], each: number) => {
      const answers = await Promise.all(programs.map((child) => child.ask<IdleAnswer>({ command, count: each })));
      const wrong = answers.find(({ firstError }) => firstError !== undefined);
      if (wrong !== undefined) console.error(`   ${command}: ${wrong.firstError}`);
      return {
        seconds: Math.max(...answers.map(({ seconds }) => seconds)),
        errors: answers.reduce((sum, { errors }) => sum + errors, 0),
      };
    };
    const [brokerBefore, clientsBefore] = [await statsOf(broker.pid), await statsOfAll(pids)];
    const memory: [number, number][] = [[0, brokerBefore.rssBytes / 2 ** 20]];
    const steps = 5;
    let [seconds, errors] = [0, 0];
    for (let step = 1; step <= steps; step++) {
      const opened = await all("open", count / PROCESSES / steps);
      seconds += opened.seconds;
      errors += opened.errors;
      memory.push([step * count / steps, (await statsOf(broker.pid)).rssBytes / 2 ** 20]);
    }
    await all("settle", 1);
    const [brokerAfter, clientsAfter] = [await statsOf(broker.pid), await statsOfAll(pids)];
    const called = await all("call", count / PROCESSES);
    return {
      perSecondOpened: count / seconds,
      brokerBytes: (brokerAfter.rssBytes - brokerBefore.rssBytes) / count,
      clientBytes: (clientsAfter.rssBytes - clientsBefore.rssBytes) / count,
      callsPerSecond: count / called.seconds,
      errors: errors + called.errors,
      memory,
    };
  });
}
