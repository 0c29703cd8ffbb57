import { base64Encode } from "@bufbuild/protobuf/wire";
import { capabilityDenied } from "../waybill/capability.ts";
import { errorFromHttp } from "./http-error.ts";
import { fetchGet, type HttpGet } from "./http-get.ts";
import { nodeGet } from "./http-get-node.ts";
import { isTensorUrl } from "./tensor-url.ts";
import type { WayHandler } from "./way-handler.ts";
import type { HttpWay } from "../waybill/way.ts";

/** How to read over HTTP. */
export interface HttpHandlerOptions {
  /** Sends the requests. Default: Node's own client in Node, else the global `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Whether a URL may be asked at all: a descriptor comes from a stranger. Default: all. */
  allowUrl?: (url: URL) => boolean;
  /** Silence after which the way is given up. Default 10,000 ms. */
  stallMs?: number;
}

/** The capability as an HTTP request carries it. */
export function bearer(capability: Uint8Array): string {
  return `Bearer ${base64Encode(capability, "url")}`;
}

/** Reads by GET, with Range for a part. */
export function httpHandler(options: HttpHandlerOptions = {}): WayHandler<HttpWay> {
  const { allowUrl, stallMs = 10_000 } = options;
  let client: { get: HttpGet; close?: () => void } | undefined;
  const open = () => {
    const own = options.fetch === undefined ? nodeGet() : undefined;
    return own ?? { get: fetchGet(options.fetch ?? ((input, init) => fetch(input, init))) };
  };
  return {
    kind: "http",
    refusal({ url }, waybill) {
      if (!isTensorUrl(url, waybill)) return "its URL is not that of the tensor";
      return allowUrl === undefined || allowUrl(new URL(url)) ? undefined : "its URL is not allowed here";
    },
    async read({ waybill, way, offset, length, signal }) {
      client ??= open();
      const part = length < waybill.byteSize;
      // Of nothing there is no range.
      if (part && length === 0) return new Uint8Array(0);
      const headers: Record<string, string> = {
        "authorization": bearer(waybill.capability),
        "accept": "application/octet-stream",
        "accept-encoding": "identity",
      };
      if (part) headers.range = `bytes=${offset}-${offset + length - 1}`;
      const { status, bytes } = await client.get({ url: way.url, headers, length, signal, stallMs });
      if (status === (part ? 206 : 200)) return bytes;
      throw status === 401 || status === 403 ? capabilityDenied() : errorFromHttp("fetch a tensor", status, "");
    },
    close() {
      client?.close?.();
      client = undefined;
    },
  };
}
