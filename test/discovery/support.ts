import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type InstanceRecord,
  InstanceRecordSchema,
  type OperatorDeclaration,
  OperatorDeclarationSchema,
} from "../../gen/waybill/v1/discovery_pb.ts";
import type { Discovery, DiscoveryEvent } from "../../src/discovery/mod.ts";

/** One process's part in discovery. */
export interface Participant {
  readonly discovery: Discovery;
  /** Ends it as a crash would: without a goodbye. */
  crash(): Promise<void>;
}

/** A store that several can take part in. */
export interface World {
  join(): Promise<Participant>;
  close(): Promise<void>;
}

export function instance(fields: MessageInitShape<typeof InstanceRecordSchema>): InstanceRecord {
  return create(InstanceRecordSchema, fields);
}

export function serving(id: string, operator = "encoder", version = "1"): InstanceRecord {
  return instance({ instance: id, operators: [{ name: operator, version, maxInflight: 4 }] });
}

export function declaration(name: string, ...versions: string[]): OperatorDeclaration {
  return create(OperatorDeclarationSchema, { name, versions });
}

/** Keeps what a watch told, in short: `up a`, `gone a (closed)`, `declared encoder`. */
export class Story {
  readonly events: DiscoveryEvent[] = [];

  readonly listener = (event: DiscoveryEvent): void => {
    this.events.push(event);
  };

  get lines(): string[] {
    return this.events.map((event) => {
      switch (event.type) {
        case "instance-up":
          return `up ${event.instance.instance}`;
        case "instance-changed":
          return `changed ${event.instance.instance}`;
        case "instance-gone":
          return `gone ${event.instance.instance} (${event.reason})`;
        case "declared":
          return `declared ${event.declaration.name} ${event.declaration.versions.join("+")}`;
        case "undeclared":
          return `undeclared ${event.declaration.name}`;
        case "ready":
          return "ready";
      }
    });
  }

  /** Waits until a line was told. */
  async until(line: string, timeoutMs = 20_000): Promise<void> {
    await eventually(() => this.lines.includes(line), () => `"${line}" in ${JSON.stringify(this.lines)}`, timeoutMs);
  }
}

export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: () => string = () => "the condition",
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!await holds()) {
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms for ${what()}`);
    await sleep(10);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Collects what a discovery logs. */
export class LogLines {
  readonly lines: string[] = [];
  readonly debug = (message: string): void => void this.lines.push(`debug ${message}`);
  readonly info = (message: string): void => void this.lines.push(`info ${message}`);
  readonly warn = (message: string): void => void this.lines.push(`warn ${message}`);
  readonly error = (message: string): void => void this.lines.push(`error ${message}`);
}
