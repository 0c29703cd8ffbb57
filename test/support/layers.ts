import type { Source } from "./source.ts";

/** What a layer may import. */
interface Layer {
  /** Layers that it may know, and so also what those may know. */
  readonly knows: readonly string[];
  /** Layers whose types alone it may know. */
  readonly knowsTypes?: readonly string[];
  /** Layers that only its files named for their runtime may know. */
  readonly inAdapters?: readonly string[];
  /** Whether web APIs are all it may use, outside files named for their runtime. */
  readonly webOnly?: boolean;
}

/** The layers of src/, lowest first. `gen` may be known by all. A folder inside a layer's own may be a layer of its own. */
export const layers: Readonly<Record<string, Layer>> = {
  parallel: { knows: [] },
  // Fetches programs and libraries of others, and keeps them.
  obtain: { knows: [] },
  // Loads the addon and says what it finds; no policy.
  native: { knows: ["obtain"] },
  tensor: { knows: [], webOnly: true },
  waybill: { knows: ["tensor"], webOnly: true },
  telemetry: { knows: [], webOnly: true },
  bus: { knows: [], webOnly: true },
  rpc: { knows: ["bus", "telemetry"], webOnly: true },
  discovery: { knows: ["rpc"], webOnly: true },
  events: { knows: ["rpc"], webOnly: true },
  data: { knows: ["tensor", "waybill", "rpc", "telemetry"], inAdapters: ["native"], webOnly: true },
  client: { knows: ["data", "discovery", "events"], webOnly: true },
  http: { knows: ["data"], knowsTypes: ["client"], webOnly: true },
  worker: { knows: ["client", "parallel"] },
  runtime: { knows: ["discovery"] },
  kserve: { knows: ["client"], webOnly: true },
  sidecar: { knows: ["worker", "kserve", "native"] },
  triton: { knows: ["sidecar", "kserve"] },
  gateway: { knows: ["kserve", "http", "runtime"], webOnly: true },
  // Stands alone, so that tests and tools can start a broker without the supervisor.
  "deployment/broker": { knows: ["bus", "obtain"] },
  deployment: { knows: ["triton", "gateway", "deployment/broker"] },
  testing: { knows: ["worker", "deployment/broker"] },
  cli: { knows: ["deployment", "testing"] },
};

/** The layer that a file belongs to: the longest folder that is one. */
export function layerOf(path: string): string | undefined {
  const inside = Object.keys(layers).filter((layer) => path.startsWith(`src/${layer}/`));
  return inside.sort((a, b) => b.length - a.length)[0];
}

function isAdapter(path: string): boolean {
  return /node|bun|deno|workerd|browser|tcp/.test(path.slice(path.lastIndexOf("/") + 1));
}

function known(layer: string): Set<string> {
  const below = layers[layer]?.knows ?? [];
  return new Set([...below, ...below.flatMap((lower) => [...known(lower)])]);
}

/** Imports that go upwards or sideways. */
export function layerFaults({ path, imports }: Source): string[] {
  const own = layerOf(path);
  if (own === undefined) return [`${path}: is in no layer`];
  const allowed = known(own).add(own);
  return imports.filter(({ target, typeOnly }) => {
    if (!target.startsWith("src/")) return !target.startsWith("gen/") && target.endsWith(".ts");
    const layer = layerOf(target) ?? target;
    if (isAdapter(path) && layers[own]?.inAdapters?.includes(layer)) return false;
    return !allowed.has(layer) && !(typeOnly && layers[own]?.knowsTypes?.includes(layer));
  }).map(({ target, line }) => `${path}:${line}: ${own} may not import ${target}`);
}

/** Uses of one runtime in a layer that has to run on all of them. */
export function runtimeFaults({ path, imports, globals }: Source): string[] {
  const own = layerOf(path);
  if (own === undefined || layers[own]?.webOnly !== true || isAdapter(path)) return [];
  return [...imports.filter(({ target }) => /^(node|bun):|^bun$/.test(target)), ...globals]
    .map(({ target, line }) => `${path}:${line}: ${own} runs everywhere and may not use ${target}`);
}
