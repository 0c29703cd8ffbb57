import type { UcxTensor } from "../../../../src/sidecar/ucx/mod.ts";
import { type Program, startProgram } from "../../../support/program.ts";

/** Another process's tensor. */
export interface Peer {
  readonly address: string;
  readonly waybill: UcxTensor;
}

/** Reads what `owner.ts` prints. */
export function readPeer(json: string): Peer {
  const { address, waybill } = JSON.parse(json) as { address: string; waybill: Record<string, never> };
  const { reference, capability, ...rest } = waybill as unknown as UcxTensor;
  return { address, waybill: { ...rest, reference: new Uint8Array(reference), capability: new Uint8Array(capability) } };
}

/** Starts `owner.ts`. */
export async function startOwner(
  transports: readonly string[],
  bytes: number,
  options: object = {},
  within: readonly string[] = [],
): Promise<{ program: Program; peer: Peer; json: string }> {
  const args = [transports.join(","), String(bytes), JSON.stringify(options)];
  const program = startProgram("test/sidecar/ucx/support/owner.ts", args, { through: within });
  const json = (await program.waitFor(/READY (.*)\n/))[1]!;
  return { program, peer: readPeer(json), json };
}
