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
  readonly name: string;
  readonly pid: number;
  readonly file: string | undefined;
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
