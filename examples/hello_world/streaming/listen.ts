import { type AnyTensor, type Client, infoOf, Tensor } from "../../../mod.ts";

/** A piece of an answer, as it came. */
export interface Heard {
  readonly client: number;
  readonly piece: string;
  /** Instance that it came from. */
  readonly from: string;
}

/** What one client got in all. */
export interface Answer {
  readonly client: number;
  readonly text: string;
  readonly pieces: number;
  /** Instances that the pieces came from: one, unless something is wrong. */
  readonly from: readonly string[];
  /** Milliseconds until the first piece and until the last. */
  readonly firstMs: number;
  readonly lastMs: number;
}

type Piece = Readonly<Record<"piece", AnyTensor<"BYTES">> & Record<"index", AnyTensor<"INT32">>>;

/** Asks for a text and listens to it piece by piece; pieces must come in order. */
export async function listen(
  connection: Client,
  options: {
    readonly client: number;
    readonly text: string;
    readonly delayMs: number;
    readonly signal: AbortSignal;
    readonly onPiece: (heard: Heard) => void;
  },
): Promise<Answer> {
  const { client, text, delayMs, signal, onPiece } = options;
  const startedAt = performance.now();
  const from = new Set<string>();
  let heard = "";
  let pieces = 0;
  let firstMs = 0;
  const handle = connection.operator<{ text: Tensor }, Piece>("speller", { signal, parameters: { delay_ms: delayMs } });
  for await (const outputs of handle.stream({ text: Tensor.from("BYTES", [text]) })) {
    const [piece = ""] = (await outputs.piece.fetch()).strings();
    const [index] = (await outputs.index.fetch()).data;
    if (index !== pieces) throw new Error(`Client ${client} must get piece ${pieces}, got ${index}`);
    const instance = infoOf(outputs)?.instance ?? "";
    if (pieces++ === 0) firstMs = performance.now() - startedAt;
    from.add(instance);
    heard += piece;
    onPiece({ client, piece, from: instance });
  }
  if (heard !== text) throw new Error(`Client ${client} must get "${text}", got "${heard}"`);
  return { client, text: heard, pieces, from: [...from], firstMs, lastMs: performance.now() - startedAt };
}
