import { locateUcx } from "../../../src/native/mod.ts";
import { Child } from "../../lib/child.ts";
import type { RunOptions } from "../../lib/suite.ts";
import type { UcxBenchTransport, UcxLoad, UcxMeasured, UcxTarget } from "../../lib/ucx.ts";

/** Bytes of a MiB. */
export const MB: number = 2 ** 20;

/** The transports, with what `ucx_perftest` is told for the same ones. */
export const TRANSPORTS: readonly { readonly name: UcxBenchTransport; readonly tls: string }[] = [
  { name: "posix", tls: "posix,self" },
  { name: "tcp", tls: "tcp,self" },
];

/** An owner and a reader, one process each. */
export interface UcxWorld {
  readonly owner: Child;
  readonly reader: Child;
  publish(bytes: number): Promise<UcxTarget>;
  run(load: UcxLoad): Promise<UcxMeasured>;
}

/** Starts both. */
export async function startUcxWorld(
  { resources, runtime }: RunOptions,
  transport: UcxBenchTransport,
  bytes: number,
): Promise<UcxWorld> {
  const owner = await Child.start(resources, runtime, "bench/programs/ucx-owner.ts", transport, String(bytes));
  const reader = await Child.start(resources, runtime, "bench/programs/ucx-reader.ts", transport, String(2 * bytes));
  return {
    owner,
    reader,
    publish: (publishBytes) => owner.ask<UcxTarget>({ publishBytes }),
    run: (load) => reader.ask<UcxMeasured>(load),
  };
}

/** The library that the processes use, and that the floor lies beside. */
export async function ucxLibrary(): Promise<string> {
  const library = await locateUcx({ obtain: true, log: (line) => console.error(line) });
  if (library === undefined) throw new Error("There is no UCX on this machine");
  return library.path;
}
