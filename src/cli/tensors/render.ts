import { table } from "../table.ts";
import type { HeldByNode, ShownTensor } from "./held.ts";

/** What nodes hold, for a terminal. */
export function renderHeld(nodes: readonly HeldByNode[], nowMs: number): string {
  if (nodes.length === 0) return "No node with a sidecar is there";
  return nodes.map((node) => section(node, nowMs)).join("\n\n");
}

function section({ node, usedBytes = 0, budgetBytes = 0, leases = 0, tensors, error }: HeldByNode, nowMs: number): string {
  if (error !== undefined) return `${node}: does not say. ${error}`;
  const head = `${node}: ${leases} leases, ${size(usedBytes)} of ${size(budgetBytes)}`;
  if (tensors.length === 0) return head;
  const rows = tensors.map((tensor) => row(tensor, nowMs));
  const more = leases > tensors.length ? [`… and ${leases - tensors.length} more; --limit shows more of them`] : [];
  return [head, ...table([["lease", "tensor", "size", "memory", "for", "ends in", "pins"], ...rows]), ...more].join("\n");
}

function row(
  { id, dtype, shape, bytes, memory, device, holder, expiresAtMs, once, pins }: ShownTensor,
  nowMs: number,
): string[] {
  const left = Math.max(0, expiresAtMs - nowMs) / 1000;
  return [
    id,
    `${dtype}[${shape.join(",")}]`,
    size(bytes),
    memory === "gpu" ? `gpu ${device}` : memory,
    holder === "" ? "-" : holder,
    `${left < 120 ? `${left.toFixed(0)} s` : `${(left / 60).toFixed(0)} min`}${once ? ", or once" : ""}`,
    String(pins),
  ];
}

function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}
