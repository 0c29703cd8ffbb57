import { Code, ConnectError } from "@connectrpc/connect";
import { isTensor, type MessageTensor, type Tensor } from "../tensor/mod.ts";
import { type Waybill, waybillToString } from "../waybill/mod.ts";
import type { AnyTensor } from "./values.ts";

/** Room in a message for names, shapes, parameters and headers beside the tensors. */
export const MESSAGE_ROOM_BYTES: number = 8 * 1024;

/** In the message, by reference, or as sizes suggest. */
export type Inline = boolean | "auto";

/** Names whose placement differs from the rest, or one answer for all. */
export type InlineChoice = Inline | Readonly<Record<string, Inline>>;

/** How tensors are placed. */
export interface PlacementOptions {
  readonly inline: InlineChoice;
  /** Largest tensor that `"auto"` puts into a message. */
  readonly inlineMaxBytes: number;
  /** What all tensors of the message may take together. */
  readonly messageMaxBytes: number;
  /** Stores a tensor and describes it. */
  store(tensor: Tensor): Promise<Waybill>;
  /** Describes a remote tensor as it is passed on. */
  forward(tensor: Exclude<AnyTensor, Tensor>): MessageTensor | Promise<MessageTensor>;
}

/** What a message carries, and which of it was stored for this message alone. */
export interface Placed {
  readonly entries: (readonly [name: string, tensor: MessageTensor])[];
  readonly stored: readonly Waybill[];
}

/** A choice as a request tells it to whoever answers; `undefined` when there is nothing to tell. */
export function inlineToParameter(choice: InlineChoice | undefined): boolean | string | undefined {
  return typeof choice === "object" ? JSON.stringify(choice) : choice === "auto" ? undefined : choice;
}

/**
 * The choice that a request tells.
 *
 * @throws {ConnectError} `invalid_argument` for a value that is none
 */
export function inlineFromParameter(value: unknown): InlineChoice | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  try {
    const choice: unknown = JSON.parse(String(value));
    const isChoice = (one: unknown) => typeof one === "boolean" || one === "auto";
    if (typeof choice === "object" && choice !== null && Object.values(choice).every(isChoice)) return choice as InlineChoice;
  } catch {
    // Told below, with everything else that is no choice.
  }
  throw new ConnectError(
    `Cannot place outputs: the request's choice must be a boolean or booleans by name, got ${JSON.stringify(String(value))}`,
    Code.InvalidArgument,
  );
}

/** The choice for one name. */
export function inlineOf(choice: InlineChoice, name: string): Inline {
  if (typeof choice !== "object") return choice;
  return Object.hasOwn(choice, name) ? choice[name] ?? "auto" : "auto";
}

/**
 * Decides for each tensor whether the message carries it or a reference. Answers without a promise when nothing needs to be
 * stored, which is the hot path.
 */
export function place(tensors: Record<string, AnyTensor>, options: PlacementOptions): Placed | Promise<Placed> {
  const entries: (readonly [string, MessageTensor])[] = [];
  let room = options.messageMaxBytes;
  for (const name in tensors) {
    const tensor = tensors[name] as AnyTensor;
    if (!isTensor(tensor)) return placeSlowly(tensors, options);
    const inline = inlineOf(options.inline, name);
    if (inline === false) return placeSlowly(tensors, options);
    room -= tensor.byteLength;
    if (inline === "auto" && (tensor.byteLength > options.inlineMaxBytes || room < 0)) return placeSlowly(tensors, options);
    entries.push([name, tensor]);
  }
  return { entries, stored: [] };
}

async function placeSlowly(tensors: Record<string, AnyTensor>, options: PlacementOptions): Promise<Placed> {
  const kept = keptInline(tensors, options);
  const stored: Waybill[] = [];
  const entries = await Promise.all(
    Object.entries(tensors).map(async ([name, tensor]): Promise<readonly [string, MessageTensor]> => {
      if (!isTensor(tensor)) return [name, await options.forward(tensor)];
      if (kept.has(name)) return [name, tensor];
      const waybill = await options.store(tensor);
      stored.push(waybill);
      return [name, referenceOf(waybill)];
    }),
  );
  return { entries, stored };
}

/** Those that must be inline, then as many of the others as fit, the smallest first: fewest bytes then travel elsewhere. */
function keptInline(tensors: Record<string, AnyTensor>, options: PlacementOptions): Set<string> {
  const kept = new Set<string>();
  const candidates: [string, Tensor][] = [];
  let room = options.messageMaxBytes;
  for (const [name, tensor] of Object.entries(tensors)) {
    if (!isTensor(tensor)) continue;
    const inline = inlineOf(options.inline, name);
    if (inline === true) {
      kept.add(name);
      room -= tensor.byteLength;
    } else if (inline === "auto" && tensor.byteLength <= options.inlineMaxBytes) candidates.push([name, tensor]);
  }
  for (const [name, tensor] of candidates.sort(([, a], [, b]) => a.byteLength - b.byteLength)) {
    room -= tensor.byteLength;
    if (room >= 0) kept.add(name);
  }
  return kept;
}

/** A waybill as a message carries it. */
export function referenceOf(waybill: Waybill): MessageTensor {
  const { dtype, shape, byteSize } = waybill;
  return { dtype, shape, byteSize, descriptor: waybillToString(waybill) };
}
