import { toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ModelInferRequest, ModelInferRequestSchema } from "../../gen/inference/grpc_service_pb.ts";
import type { Client } from "../client/client.ts";
import type { CallInfo } from "../rpc/delivery.ts";
import { encodeCallerFrame, FRAME_HEADER, META_HEADER } from "../rpc/frame.ts";
import { publishLater, storeCancel } from "../rpc/later-frames.ts";
import { encodeMetadata } from "../rpc/metadata.ts";
import { escapeName } from "../rpc/names.ts";
import { type DispatchMode, operatorRoute } from "../rpc/route.ts";

/** How a request is handed on. */
export interface DelegateOptions {
  /** Which version; default the operator's default one. */
  version?: string | number;
  /** Default `"queue"`. */
  mode?: DispatchMode;
}

/** "No responders" comes within a round trip; longer silence means that a direct request was taken. */
const TAKEN_AFTER_MS = 250;

/** Publishes a request again, for another operator and with the same caller, then tells the caller where it went. */
export async function delegateRequest(
  client: Client,
  info: CallInfo,
  request: ModelInferRequest,
  header: Headers,
  name: string,
  remainingMs: number,
  { version, mode }: DelegateOptions,
): Promise<void> {
  const { caller } = client;
  const versionName = version === undefined ? undefined : String(version);
  const route = operatorRoute(caller.subjects, name, { version: versionName, mode });
  const { frame, delivery } = info;
  const headers: Record<string, string> = {
    [FRAME_HEADER]: encodeCallerFrame({
      ...frame,
      seq: 0,
      timeoutMs: remainingMs === Infinity ? 0 : Math.max(1, Math.floor(remainingMs)),
      base: frame.base + delivery.attempt,
      once: route.once,
      // In the headers, where it is this request's and no longer the caller's.
      trace: "",
    }),
  };
  const metadata = encodeMetadata(header);
  if (metadata !== "") headers[META_HEADER] = metadata;
  const payload = toBinary(ModelInferRequestSchema, { ...request, modelName: name, modelVersion: versionName ?? "" });
  const storedSeq = route.stored
    ? await store(client, route.subject, payload, headers, name)
    : await hand(client, route.subject, payload, headers);
  if (!info.delegate(escapeName(name), storedSeq)) {
    // Canceled meanwhile: the caller never learns where it went, so that it is ended from here.
    const cancel = encodeCallerFrame({ ...frame, kind: "cancel", seq: storedSeq, method: "" });
    storeCancel(caller, route, frame, cancel, remainingMs);
    publishLater(caller, route.everyone ?? route.subject, cancel, undefined);
  }
}

async function store(
  client: Client,
  subject: string,
  payload: Uint8Array,
  headers: Record<string, string>,
  name: string,
): Promise<number> {
  const reply = await client.bus.request(subject, payload, { headers });
  const ack = JSON.parse(new TextDecoder().decode(reply.payload)) as { seq?: number; error?: { description?: string } };
  if (ack.seq !== undefined) return ack.seq;
  throw new ConnectError(
    `Cannot delegate to operator "${name}": the broker did not store it: ${ack.error?.description ?? "no reason given"}`,
    Code.Unavailable,
  );
}

async function hand(client: Client, subject: string, payload: Uint8Array, headers: Record<string, string>): Promise<number> {
  try {
    await client.bus.request(subject, payload, { headers, timeoutMs: TAKEN_AFTER_MS });
  } catch (error) {
    if (ConnectError.from(error).code !== Code.DeadlineExceeded) throw error;
  }
  return 0;
}
