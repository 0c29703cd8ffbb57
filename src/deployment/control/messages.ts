import { createInterface } from "node:readline";
import type { Socket } from "node:net";
import type { DeploymentStatus } from "../status.ts";

/** What a deployment can be asked over its socket: one request and one answer, each a line of JSON. */
export type ControlRequest =
  | { readonly command: "status" }
  /** Answered when it has stopped. */
  | { readonly command: "stop"; readonly drainMs?: number };

/** What it answers. */
export type ControlAnswer =
  | { readonly status: DeploymentStatus }
  | { readonly exitCode: number }
  | { readonly error: string };

/** What stands in the folder for a running deployment. */
export interface ControlRecord {
  /** What `waybill ps` calls it. */
  readonly name: string;
  /** The supervisor's process. */
  readonly pid: number;
  /** The deployment file's path, where it was told. */
  readonly file: string | undefined;
  /** When it was started, as `Date.now()` tells time. */
  readonly startedAtMs: number;
}

/** The first line that comes; `undefined` when the other side ends before one does. */
export function firstLine(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: socket });
    lines.once("line", resolve);
    lines.once("close", () => resolve(undefined));
    // The close that follows says it.
    lines.on("error", () => {});
    socket.on("error", () => lines.close());
  });
}
