import { type AnyTensor, type Client, Code, ConnectError, infoOf, type OperatorHandle } from "../../../mod.ts";
import type { ClientTask } from "./options.ts";
import type { ClientProgress, ClientReport } from "./report.ts";
import { faultOf, randomInput } from "./workload.ts";

type Outputs = Readonly<Record<string, AnyTensor<"INT64">>>;

/** Errors after which the next request would fail alike. */
const HOPELESS: readonly Code[] = [Code.NotFound, Code.Unauthenticated, Code.PermissionDenied];
/** As hopeless: so many requests of any error before the first success. */
const HOPELESS_FAILURES = 3;

/** How one client's requests are sent. */
export interface RunOptions extends ClientTask {
  readonly connection: Client;
  /** Told of every request that has ended. */
  readonly onProgress?: (progress: ClientProgress) => void;
  /** Ends the run early. */
  readonly signal?: AbortSignal;
}

/** Sends one client's requests, as many at once as the flags say, and checks every answer. Never rejects. */
export async function runRequests(options: RunOptions): Promise<Omit<ClientReport, "startUpMs">> {
  const { client, flags, connection, onProgress, signal } = options;
  const requested = flags["requests-per-client"];
  const handle = connection.operator<Record<string, AnyTensor>, Outputs>(flags.operator, {
    inline: flags.inline,
    timeoutMs: flags["timeout-ms"],
    signal,
  });
  const latenciesMs: number[] = [];
  let next = 0;
  let failed = 0;
  let exception = "";
  let hopeless = false;
  const lane = async () => {
    while (next < requested && !hopeless && signal?.aborted !== true) {
      const request = next++;
      const startedAt = performance.now();
      let from = "";
      let error = "";
      try {
        from = await sendOne(handle, options, `${client}.${request}`);
        latenciesMs.push(performance.now() - startedAt);
      } catch (thrown) {
        if (signal?.aborted) return;
        const failure = ConnectError.from(thrown);
        error = failure.rawMessage;
        exception ||= error;
        failed++;
        hopeless ||= HOPELESS.includes(failure.code) || (latenciesMs.length === 0 && failed >= HOPELESS_FAILURES);
      }
      onProgress?.({ client, ended: latenciesMs.length + failed, request, from, error });
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: flags["in-flight"] }, lane));
  const elapsedMs = performance.now() - startedAt;
  const stopped = signal?.aborted === true;
  return { client, requested, succeeded: latenciesMs.length, failed, elapsedMs, latenciesMs, exception, stopped };
}

/** Sends a request and checks its answer; resolves with the instance that gave it. */
async function sendOne(
  handle: OperatorHandle<Record<string, AnyTensor>, Outputs>,
  { flags, signal }: RunOptions,
  id: string,
): Promise<string> {
  const { operator } = flags;
  const input = randomInput({ mean: flags["input-size-mean"], stdev: flags["input-size-stdev"] });
  const outputs = await handle.infer({ input }, { id });
  const info = infoOf(outputs);
  try {
    const output = await need(outputs, "output").fetch({ signal });
    const copies = operator === "encoder"
      ? Number((await need(outputs, "input_copies").fetch({ signal })).data[0])
      : Number(info?.parameters.input_copies ?? 1);
    const fault = faultOf(operator, input, output, copies);
    if (fault !== undefined) throw new ConnectError(`Operator "${operator}" answered wrongly: ${fault}`, Code.DataLoss);
  } finally {
    // Not awaited: the answer is there, and the owner may hear of it in its own time.
    for (const tensor of Object.values(outputs)) void tensor.release();
  }
  return info?.instance ?? "";
}

function need(outputs: Outputs, name: string): AnyTensor<"INT64"> {
  const tensor = outputs[name];
  if (tensor !== undefined) return tensor;
  throw new ConnectError(`The answer must hold "${name}", got ${Object.keys(outputs).join(", ") || "nothing"}`, Code.DataLoss);
}
