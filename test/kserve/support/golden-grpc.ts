import { create, type DescMessage, fromBinary, type Message, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { readdirSync, readFileSync } from "node:fs";
import { pythonBytes } from "./golden-http.ts";

const folder = new URL("../golden/grpc/", import.meta.url);

/** One recorded call, and what a real Triton answered; messages as protobuf text. */
export interface GrpcCase {
  readonly name: string;
  /** `inference.GRPCInferenceService`, or gRPC's own health service. */
  readonly service: string;
  readonly method: string;
  /** Messages of the request; as bytes where they were recorded so. */
  readonly requests: readonly (string | Uint8Array)[];
  readonly code: string;
  readonly details: string;
  readonly answers: readonly (string | Uint8Array)[];
}

/** Names of all recorded calls. */
export function grpcCaseNames(): string[] {
  return readdirSync(folder).map((file) => file.replace(/\.txt$/, "")).sort();
}

/** Reads a recorded call. */
export function grpcCase(name: string): GrpcCase {
  const text = readFileSync(new URL(`${name}.txt`, folder), "utf8");
  const [, service = "", method = "", hex, requestText = "", answerText = ""] =
    /^### REQUEST \/([\w.]+)\/(\w+)(?: hex=([0-9a-f]*))?\n([^]*?)### RESPONSE ([^]*)$/.exec(text) ?? [];
  const head = { name, service, method };
  if (hex !== undefined) {
    const [, code = "", answer = ""] = /^\('(\w+)', '(.*)'\)/.exec(answerText) ?? [];
    const answers = code === "OK" ? [fromHex(answer)] : [];
    return { ...head, requests: [fromHex(hex)], code, details: code === "OK" ? "" : answer, answers };
  }
  const [, code = "", details = "", rest = ""] =
    /^code=(\w+) details=("[^\n]*"|'[^\n]*') trailing=.*\n?([^]*)$/.exec(answerText) ?? [];
  return {
    ...head,
    requests: messagesOf(requestText),
    code,
    details: new TextDecoder().decode(pythonBytes(details.slice(1, -1))),
    answers: messagesOf(rest),
  };
}

function messagesOf(text: string): string[] {
  const parts = text.split(/^---$/m);
  // What follows the last separator is no message.
  return parts.slice(0, -1).map((part) => part.replace(/^\s*\[\w+\]\n/, "").trim());
}

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(hex.match(/../g)?.map((byte) => Number.parseInt(byte, 16)) ?? []);
}

/** A message of the recorded text, or bytes. */
export function messageFrom<D extends DescMessage>(desc: D, recorded: string | Uint8Array): MessageShape<D> {
  if (typeof recorded !== "string") return fromBinary(desc, recorded);
  const tokens = recorded.match(/"(?:[^"\\]|\\.)*"|[{}:]|[^\s{}:"]+/g) ?? [];
  let at = 0;
  return fill(desc) as MessageShape<D>;

  function fill(type: DescMessage): Message {
    const message = create(type) as Message & Record<string, unknown>;
    while (at < tokens.length && tokens[at] !== "}") {
      const name = tokens[at++]!;
      const field = type.fields.find((one) => one.name === name);
      if (field === undefined) throw new Error(`${type.typeName} has no field ${name}`);
      let value: unknown;
      if (tokens[at] === "{") {
        at++;
        if (field.fieldKind === "map") value = entry(field.message);
        else if (field.message !== undefined) value = fill(field.message);
        at++;
      } else {
        at++;
        value = scalar(field.scalar, field.enum?.values, tokens[at++]!);
      }
      if (field.fieldKind === "list") (message[field.localName] as unknown[]).push(value);
      else if (field.fieldKind === "map") Object.assign(message[field.localName] as object, value);
      else if (field.oneof !== undefined) message[field.oneof.localName] = { case: field.localName, value };
      else message[field.localName] = value;
    }
    return message;
  }

  function entry(type: DescMessage | undefined): object {
    let key = "";
    let value: unknown;
    while (tokens[at] !== "}") {
      const name = tokens[at++];
      if (name === "key") {
        at++;
        key = scalar(ScalarType.STRING, undefined, tokens[at++]!) as string;
      } else {
        at++;
        value = type === undefined ? undefined : fill(type);
        at++;
      }
    }
    return { [key]: value };
  }
}

function scalar(
  type: ScalarType | undefined,
  values: readonly { readonly name: string; readonly number: number }[] | undefined,
  token: string,
): unknown {
  if (values !== undefined) return values.find(({ name }) => name === token)?.number;
  switch (type) {
    case ScalarType.STRING:
      return new TextDecoder().decode(pythonBytes(token.slice(1, -1)));
    case ScalarType.BYTES:
      return pythonBytes(token.slice(1, -1));
    case ScalarType.BOOL:
      return token === "true";
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return BigInt(token);
    default:
      return Number(token);
  }
}
