import type { OperatorName, StageSettings } from "../operators/mod.ts";
import type { LayoutFlags } from "./deployment-flags.ts";
import type { InstanceKind } from "./worker-env.ts";

/** Workers that are alike. */
export interface WorkerGroup {
  readonly operator: OperatorName;
  readonly count: number;
  readonly settings: StageSettings;
  readonly kind: InstanceKind;
}

/** The workers that flags ask for, in the order of the original; groups of no worker are left out. */
export function layoutOf(flags: LayoutFlags): WorkerGroup[] {
  const { encoders, decoders, "encoder-decoders": both, "encoder-input-copies": inputCopies } = flags;
  const stage = (operator: OperatorName, { workers, kind, ...limits }: typeof encoders, delay: number): WorkerGroup => {
    return { operator, count: workers, kind, settings: { ...limits, delay, inputCopies } };
  };
  return [
    stage("encoder", encoders, flags["encoder-delay-per-token"]),
    stage("decoder", decoders, flags["decoder-delay-per-token"]),
    {
      operator: "encoder_decoder" as const,
      count: both.workers,
      kind: "CPU" as const,
      settings: { maxInflight: both.maxInflight },
    },
  ].filter(({ count }) => count > 0);
}
