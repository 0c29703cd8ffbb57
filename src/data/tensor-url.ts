import { base64Encode } from "@bufbuild/protobuf/wire";
import type { Waybill } from "../waybill/descriptor.ts";

/** Where a store's tensors are, below wherever it is served. */
export const TENSORS_PATH = "/v1/tensors";

/** The path of one tensor. */
export function tensorPath(reference: Uint8Array): string {
  return `${TENSORS_PATH}/${base64Encode(reference, "url")}`;
}

/**
 * Whether a URL can be that tensor's. A descriptor comes from a stranger, and whoever fetches it may stand behind a firewall: no
 * other request than for this very tensor may be sent on its word.
 */
export function isTensorUrl(url: string, waybill: Waybill): boolean {
  const { pathname, search, hash } = new URL(url);
  return pathname.endsWith(tensorPath(waybill.reference)) && search === "" && hash === "";
}
