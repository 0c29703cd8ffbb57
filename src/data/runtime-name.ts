/** The runtime's name and version as it gives them itself: `Bun/1.4.5`, `Deno/2.9.6`, `Node.js/24`; empty where it does not. */
export function runtimeName(): string {
  return typeof navigator === "object" && typeof navigator.userAgent === "string" ? navigator.userAgent : "";
}
