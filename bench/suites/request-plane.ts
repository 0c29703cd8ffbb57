import type { Broker } from "../../src/deployment/broker/broker.ts";
import { launchNatsServer } from "../../src/testing/nats-server.ts";
import { Child, type Runtime } from "../lib/child.ts";
import type { Load, Measured } from "../lib/measure.ts";
import { type Case, type Demand, makeCase, median } from "../lib/report.ts";
import type { RunOptions } from "../lib/suite.ts";

interface Row {
  readonly target: string;
  readonly floor: string;
  readonly payloadBytes: number;
  readonly inflight: number;
  readonly demand?: Demand;
  /** Reported beside the demand. */
  readonly alsoFloor?: string;
}

const SIZES = [128, 4_096, 65_536, 900_000];

/** Unary calls against the same library used by hand. */
export async function requestPlane(options: RunOptions): Promise<Case[]> {
  const cases: Case[] = [];
  const broker = await options.resources.start(launchNatsServer({ maxPayloadBytes: 4 * 1024 * 1024 }));
  try {
    const p50ByRuntime = new Map<string, number>();
    for (const runtime of ["node", "bun", "deno"] as const) {
      for (const transport of ["tcp", "websocket"] as const) {
        cases.push(...await measurePair(broker, runtime, transport, options, p50ByRuntime));
      }
    }
    const [deno, bun] = [p50ByRuntime.get("deno websocket"), p50ByRuntime.get("bun websocket")];
    if (deno !== undefined && bun !== undefined) {
      cases.push(makeCase("deno over websocket, 4 KB, p50, against bun", deno, "us", bun, { on: "ratio", atMost: 2 }));
    }
  } finally {
    await broker.stop();
  }
  return cases;
}

async function measurePair(
  broker: Broker,
  runtime: Runtime,
  transport: "tcp" | "websocket",
  options: RunOptions,
  p50ByRuntime: Map<string, number>,
): Promise<Case[]> {
  const url = transport === "tcp" ? broker.tcpUrl : broker.wsUrl;
  if (url === undefined) throw new Error("the broker has no websocket");
  const cases: Case[] = [];
  // Responders speak TCP from the runtime that is measured: what differs is the client's transport alone.
  const children = await Promise.all([
    Child.start(options.resources, runtime, "bench/floors/responder.ts", broker.tcpUrl),
    Child.start(options.resources, runtime, "bench/programs/worker.ts", broker.tcpUrl),
    Child.start(options.resources, runtime, "bench/floors/client.ts", url),
    Child.start(options.resources, runtime, "bench/programs/client.ts", url),
  ]);
  const [, , floor, product] = children;
  try {
    for (const row of rowsFor(transport)) {
      const { payloadBytes, inflight, demand } = row;
      const single = inflight === 1;
      const measured: number[] = [];
      const floors: number[] = [];
      const also: number[] = [];
      const pick = (result: Measured) => single ? result.p50Us : result.perSecond;
      const rounds = demand === undefined ? Math.min(3, options.rounds) : options.rounds;
      for (let round = 0; round < rounds; round++) {
        const load = (target: string): Load => ({ target, payloadBytes, inflight, seconds: options.seconds });
        floors.push(pick(await floor.run(load(row.floor))));
        measured.push(pick(await product.run(load(row.target))));
        if (row.alsoFloor !== undefined) also.push(pick(await floor.run(load(row.alsoFloor))));
      }
      const name = `${runtime} ${transport}, ${row.target}, ${payloadBytes.toLocaleString("en")} B, ${inflight} in flight`;
      const unit = single ? "us p50" : "requests/s";
      // Rounds are pairs: the machine's drift hits both of a pair alike, so the ratio is the median of the pairs'.
      const ratio = median(measured.map((value, round) => value / floors[round]!));
      const value = median(measured);
      cases.push(makeCase(name, value, unit, value / ratio, demand));
      if (also.length > 0) cases.push(makeCase(`  the same against ${row.alsoFloor}`, value, unit, median(also)));
      if (transport === "websocket" && single && payloadBytes === 4_096 && row.target === "direct") {
        p50ByRuntime.set(`${runtime} websocket`, value);
      }
      console.error(`${name}: ${value.toFixed(0)} ${unit}, ratio ${ratio.toFixed(2)}`);
    }
  } finally {
    await Promise.all(children.map((child) => child[Symbol.asyncDispose]()));
  }
  return cases;
}

function rowsFor(transport: "tcp" | "websocket"): Row[] {
  const rows: Row[] = [];
  for (const payloadBytes of SIZES) {
    for (const inflight of [1, 64]) {
      // 64 x 900 KB at once makes the broker drop a raw client as a slow consumer: its floor has no window.
      if (payloadBytes === 900_000 && inflight === 64) continue;
      const required = transport === "tcp" && payloadBytes === 128;
      const demand: Demand | undefined = !required
        ? undefined
        : inflight === 1
        ? { on: "ratio", atMost: 1.3 }
        : { on: "ratio", atLeast: 0.8 };
      rows.push({
        target: "direct",
        floor: "request",
        payloadBytes,
        inflight,
        demand,
        alsoFloor: inflight === 64 && payloadBytes === 128 ? "inbox" : undefined,
      });
    }
  }
  if (transport === "tcp") {
    rows.push(
      { target: "queue-memory", floor: "queue-memory", payloadBytes: 128, inflight: 1, demand: { on: "ratio", atMost: 1.4 } },
      { target: "queue-memory", floor: "queue-memory", payloadBytes: 128, inflight: 64, demand: { on: "ratio", atLeast: 0.5 } },
      { target: "queue-file", floor: "queue-file", payloadBytes: 128, inflight: 1 },
      { target: "queue-file", floor: "queue-file", payloadBytes: 128, inflight: 64 },
    );
  }
  return rows;
}
