import { create, createRegistry, type Registry } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import * as service from "./gen/connectrpc/conformance/v1/service_pb.ts";

/** What `Any` may hold, for the JSON form. */
export const registry: Registry = createRegistry(
  service.file_connectrpc_conformance_v1_service,
);

const typePrefix = "type.googleapis.com/";

/** Headers as the runner describes them, added to real ones. */
export function addHeaders(described: readonly service.Header[], headers: Headers): Headers {
  for (const { name, value } of described) for (const one of value) headers.append(name, one);
  return headers;
}

/** Headers as the runner wants them described. */
export function describeHeaders(headers: Headers): service.Header[] {
  return [...headers].map(([name, value]) => create(service.HeaderSchema, { name, value: value.split(", ") }));
}

/** The error that a handler was told to throw. */
export function errorOf({ code, message, details }: service.Error, more: readonly Any[]): ConnectError {
  const error = new ConnectError(message ?? "", code as number);
  error.details = [...details, ...more].map(({ typeUrl, value }) => ({ type: typeUrl.split("/").at(-1) as string, value }));
  return error;
}

/** An error as the runner wants it described. */
export function describeError({ code, rawMessage, details }: ConnectError): service.Error {
  const described = details.map((detail) =>
    "type" in detail ? create(AnySchema, { typeUrl: typePrefix + detail.type, value: detail.value }) : []
  ).flat();
  return create(service.ErrorSchema, {
    code: code as number as service.Error["code"],
    message: rawMessage,
    details: described,
  });
}
