/** Whether this runtime can open TCP connections: Node, Bun and Deno can. */
export function hasTcp(): boolean {
  // workerd's `nodejs_compat` claims to be Node; the client's use of `node:net` there is not tested.
  if (globalThis.navigator?.userAgent === "Cloudflare-Workers") return false;
  return typeof globalThis.process?.versions?.node === "string";
}
