import type { Sidecar } from "./sidecar.ts";

const MIB = 2 ** 20;

/** What a sidecar found on its machine, for people, a line each. */
export function foundLines({ describe, store }: Sidecar): string[] {
  const { native, ucxTransports, gpus, arenas, notes, budgetBytes } = describe();
  const arena = arenas[0]?.backing ?? "heap";
  const where = { "dev-shm": "shared memory in /dev/shm", memfd: "shared memory in memory files" }[arena] ?? "the heap";
  return [
    `Tensors: ${Math.floor(budgetBytes / MIB)} MiB on ${where}`,
    ...native.map(({ name, available, version, detail }) =>
      available ? `${name}: ${[version, detail].filter(Boolean).join(", ")}` : `${name}: none. ${detail}`
    ),
    ...(ucxTransports.length === 0 ? [] : [`UCX transports: ${ucxTransports.map(({ name }) => name).join(" ")}`]),
    ...gpus.map(({ device, name }) => `GPU ${device}: ${name}`),
    `Ways: ${store.ways.map(({ kind }) => kind).join(", ")}`,
    ...notes.map((note) => `Note: ${note}`),
  ];
}
