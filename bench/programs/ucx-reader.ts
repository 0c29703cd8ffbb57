/** Fetches tensors over UCX: `ucx-reader.ts TRANSPORT BYTES`; each line asks for a load, or for fetches until they fail. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import process from "node:process";
import { type UcxRequest, UcxWire } from "../../src/sidecar/ucx/mod.ts";
import { wallMs } from "../lib/clock.ts";
import { measure } from "../lib/measure.ts";
import { serveRequests } from "../lib/program.ts";
import {
  tensorFromJson,
  UCX_TRANSPORTS,
  type UcxBenchTransport,
  type UcxLoad,
  type UcxMeasured,
  type UcxTarget,
} from "../lib/ucx.ts";

const [transport = "tcp", bytes = "0", settings = "{}"] = process.argv.slice(2);
const options = { transports: UCX_TRANSPORTS[transport as UcxBenchTransport], ...JSON.parse(settings) };
const wire = await UcxWire.open({ key: new Uint8Array(32), ...options });
const memory = await wire.addMemory(new Uint8Array(Number(bytes)));

/** Fetches to one of as many places as there are, in turns. */
function fetcher({ address, waybill: json }: UcxTarget, from: number): () => Promise<void> {
  const waybill = tensorFromJson(json);
  const step = Math.max(64, waybill.byteSize);
  let turn = 0;
  return async () => {
    const places = Math.max(1, Math.floor((memory.byteLength - from) / step));
    const offset = from + (turn++ % places) * step;
    const request: UcxRequest = { waybill, address, destination: { memory, offset } };
    const [error] = await wire.fetch([request]).outcomes;
    if (error !== undefined) throw error;
  };
}

async function run({ target, beside, inflight, seconds }: UcxLoad): Promise<UcxMeasured> {
  const from = beside?.waybill.byteSize ?? 0;
  const call = fetcher(target, from);
  await call();
  let measuring = true;
  const large = beside === undefined ? undefined : fetcher({ ...beside }, 0);
  const background = (async () => {
    while (measuring && large !== undefined) await large();
  })();
  const lag = monitorEventLoopDelay({ resolution: 1 });
  lag.enable();
  const { perSecond, p50Us, p99Us } = await measure({ target: "", payloadBytes: 0, inflight, seconds }, call);
  lag.disable();
  measuring = false;
  await background;
  return { perSecond, p50Us, p99Us, lagP99Ms: Math.max(0, lag.percentile(99) / 1e6 - 1) };
}

/** Keeps fetches under way until one fails; answers when the last of those had. */
async function untilFailed({ target, inflight }: { target: UcxTarget; inflight: number }): Promise<{ failedAtMs: number }> {
  const call = fetcher(target, 0);
  const ended = await Promise.all(Array.from({ length: inflight }, async () => {
    while (await call().then(() => true, () => false));
    return wallMs();
  }));
  return { failedAtMs: Math.max(...ended) };
}

await serveRequests<UcxLoad | { untilFailed: { target: UcxTarget; inflight: number } }>((request) =>
  "untilFailed" in request ? untilFailed(request.untilFailed) : run(request)
);
