import { createInterface } from "node:readline";
import type { Socket } from "node:net";
import type { ChangeProgress, ChangeResult, DeploymentChange } from "../changes.ts";
import type { DeploymentStatus } from "../status.ts";

/** What a deployment can be asked over its socket: one request, a line of JSON. Whoever closes the socket gives up what it asked for. */
export type ControlRequest =
  | { readonly command: "status" }
  /** Answered when it has stopped. */
  | { readonly command: "stop"; readonly drainMs?: number }
  | DeploymentChange & { readonly drainMs?: number; readonly timeoutMs?: number };

/** What it answers, each a line of JSON: progress, any number of times, then one of the others. */
export type ControlAnswer =
  | { readonly status: DeploymentStatus }
  | { readonly exitCode: number }
  | { readonly result: ChangeResult }
  | { readonly error: string; readonly code?: number };

/** A step on the way to an answer. */
export interface ControlProgress {
  readonly progress: ChangeProgress;
}

/** A request while it is answered. */
export interface ControlCall {
  /** Fires when the other side has gone. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ChangeProgress) => void;
}

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
  /** Folders that no other deployment may write to. */
  readonly folders: readonly string[];
}

/** The first line that comes; `undefined` when the other side ends before one does. */
export function firstLine(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: socket });
    lines.once("line", resolve);
    lines.once("close", () => resolve(undefined));
    // The close that follows says it.
    lines.on("error", () => {});
    socket.on("error", () => {});
    socket.once("close", () => lines.close());
  });
}

/** All lines that come, until the other side ends. */
export function eachLine(socket: Socket, take: (line: string) => void): Promise<void> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: socket });
    lines.on("line", take);
    lines.once("close", resolve);
    lines.on("error", () => {});
    // One that is destroyed has no end, which is all that lines listen to.
    socket.on("error", () => {});
    socket.once("close", () => lines.close());
  });
}
