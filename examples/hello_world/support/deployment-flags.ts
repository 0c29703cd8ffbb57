import { DEFAULT_TCP_URL } from "../../../mod.ts";
import type { WorkerRuntime } from "../../../src/deployment/mod.ts";
import { type Flag, type Flags, numberFlag, parseNumber, switchFlag, textFlag, UsageError } from "./flags.ts";
import type { InstanceKind } from "./worker-env.ts";

/** Workers of the encoder or of the decoder. */
export interface StageWorkers {
  readonly workers: number;
  readonly maxInflight: number;
  readonly instances: number;
  readonly kind: InstanceKind;
}

/** Workers of the operator that calls the two. */
export interface PlainWorkers {
  readonly workers: number;
  readonly maxInflight: number;
}

/** What shapes the hello world, wherever it runs. */
export interface LayoutFlags {
  readonly "encoder-delay-per-token": number;
  readonly "encoder-input-copies": number;
  readonly "encoders": StageWorkers;
  readonly "decoders": StageWorkers;
  readonly "decoder-delay-per-token": number;
  readonly "encoder-decoders": PlainWorkers;
}

/** What a deployment was told. */
export interface DeployFlags extends LayoutFlags {
  readonly "initialize-request-plane": boolean;
  readonly "log-dir": string;
  readonly "clear-logs": boolean;
  readonly "log-level": number;
  readonly "request-plane-uri": string;
  readonly "starting-metrics-port": number;
  readonly "operator-repository": string;
  readonly "triton-core-models": string;
  readonly "runtime": WorkerRuntime;
}

const whole = { min: 0, whole: true };
const positive = { min: 1, whole: true };

function stageFlag(help: string): Flag<StageWorkers> {
  return {
    help: `${help}: workers, requests held at once, requests worked on at once, CPU or GPU`,
    values: ["N", "N", "N", "CPU|GPU"],
    default: { workers: 1, maxInflight: 1, instances: 1, kind: "CPU" },
    shown: "1 1 1 CPU",
    parse([workers = "", maxInflight = "", instances = "", kind = ""]) {
      if (kind !== "CPU" && kind !== "GPU") throw new UsageError(`must end with CPU or GPU, got "${kind}"`);
      return {
        workers: parseNumber(workers, whole),
        maxInflight: parseNumber(maxInflight, positive),
        instances: parseNumber(instances, positive),
        kind,
      };
    },
  };
}

const plainFlag: Flag<PlainWorkers> = {
  help: "encoder_decoder: workers, requests held at once",
  values: ["N", "N"],
  default: { workers: 1, maxInflight: 1 },
  shown: "1 1",
  parse: ([workers = "", maxInflight = ""]) => ({
    workers: parseNumber(workers, whole),
    maxInflight: parseNumber(maxInflight, positive),
  }),
};

/** What shapes the hello world, with the original's meanings. */
export const LAYOUT_FLAGS: Flags<LayoutFlags> = {
  "encoder-delay-per-token": numberFlag("seconds of delay for each element of an output", 0, { min: 0 }),
  "encoder-input-copies": numberFlag("copies that the encoder makes of its input, and the decoder undoes", 1, positive),
  "encoders": stageFlag("encoder"),
  "decoders": stageFlag("decoder"),
  "decoder-delay-per-token": numberFlag("seconds of delay for each element of an output", 0, { min: 0 }),
  "encoder-decoders": plainFlag,
};

function pathFlag(help: string, shown: string): Flag<string> {
  return { help, values: ["PATH"], default: "", shown, parse: ([path = ""]) => path };
}

const models: Flag<string> = {
  help: "refused: encoder and decoder are TypeScript here, there is no model repository",
  values: ["PATH"],
  default: "",
  parse() {
    throw new UsageError("has no meaning here: encoder and decoder are TypeScript operators, not Triton models");
  },
};

/** What a deployment can be told: the original's flags, and the runtime of the workers. */
export const DEPLOY_FLAGS: Flags<DeployFlags> = {
  "initialize-request-plane": switchFlag("start a nats-server at the request plane's URI"),
  "log-dir": pathFlag("folder of the logs", "logs beside the example"),
  "clear-logs": switchFlag("delete the logs of earlier runs first"),
  "log-level": numberFlag("how much workers log: 0 errors, 1 info, 2 debug", 1, whole),
  "request-plane-uri": textFlag<string>("broker to use, or to start", DEFAULT_TCP_URL),
  "starting-metrics-port": numberFlag("port of the first worker's metrics, one more for each other; 0 for none", 50_000, {
    ...whole,
    max: 65_535,
  }),
  "operator-repository": pathFlag("folder with the worker.ts that serves the operators", "this example's"),
  "triton-core-models": models,
  ...LAYOUT_FLAGS,
  "runtime": textFlag<WorkerRuntime>("what runs the workers", "bun", ["bun", "deno", "node"]),
};
