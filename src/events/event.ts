import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Event } from "../../gen/waybill/v1/event_pb.ts";
import { checkPayload, JSON_TYPE } from "./payload.ts";

/** An event, as it was published. Its payload is decoded when it is asked for, and each time that it is. */
export class WaybillEvent {
  /** Unique to this event. */
  readonly id: string;
  /** What kind of event it is. */
  readonly type: string;
  /** When it was published, on the publisher's clock. */
  readonly time: Date;
  /** Who published it: a client's caller id, a worker's instance. */
  readonly component: string;
  /** What it is about, level by level. */
  readonly levels: readonly string[];
  /** The payload's media type: `application/octet-stream`, `application/json` or `application/x-protobuf`. */
  readonly contentType: string;
  /** The payload as it came. */
  readonly bytes: Uint8Array;

  /** @internal */
  constructor({ id, type, timeMs, component, topic, contentType, payload }: Event) {
    this.id = id;
    this.type = type;
    this.time = new Date(Number(timeMs));
    this.component = component;
    this.levels = topic;
    this.contentType = contentType;
    this.bytes = payload;
  }

  /** What it is about, with dots between the levels: `jobs.done`. */
  get topic(): string {
    return this.levels.join(".");
  }

  /**
   * The payload as JSON.
   *
   * @typeParam T what the caller expects; unchecked, {@linkcode parse} checks it
   * @throws {ConnectError} `invalid_argument` when it is none
   */
  json<T = unknown>(): T {
    try {
      return JSON.parse(new TextDecoder().decode(this.bytes)) as T;
    } catch (error) {
      throw this.#unreadable("JSON", error);
    }
  }

  /**
   * The payload as a protobuf message.
   *
   * @throws {ConnectError} `invalid_argument` when it is none
   */
  message<Desc extends DescMessage>(schema: Desc): MessageShape<Desc> {
    try {
      return fromBinary(schema, this.bytes);
    } catch (error) {
      throw this.#unreadable(schema.typeName, error);
    }
  }

  /**
   * The payload as a schema of any Standard Schema library makes it: it gets JSON parsed, and bytes as they are.
   *
   * @throws {ConnectError} `invalid_argument` naming what does not fit
   */
  async parse<S extends StandardSchemaV1>(schema: S): Promise<StandardSchemaV1.InferOutput<S>> {
    const value = this.contentType === JSON_TYPE ? this.json() : this.bytes;
    return await checkPayload(`Cannot read the event "${this.topic}"`, schema, value);
  }

  #unreadable(as: string, cause: unknown): ConnectError {
    const text = `Cannot read the event "${this.topic}" as ${as}: its payload is ${this.contentType}`;
    return new ConnectError(text, Code.InvalidArgument, undefined, undefined, cause);
  }
}
