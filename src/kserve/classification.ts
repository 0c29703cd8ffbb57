import { Tensor } from "../tensor/mod.ts";
import { invalid } from "./errors.ts";

/** Most elements that are sorted. */
const MAX_ELEMENTS = 1_000_000;

/**
 * The `count` largest values of an output as BYTES: `<value>:<index>[:<label>]`, the largest first. NaN comes last.
 *
 * @param batched whether the first dimension is a batch's: each item is then sorted alone
 * @throws {ConnectError} `invalid_argument` for BYTES, and for an output that is too large
 */
export function classify(
  name: string,
  tensor: Tensor,
  count: number,
  { batched, labels = [] }: { readonly batched: boolean; readonly labels?: readonly string[] },
): Tensor {
  if (tensor.dtype === "BYTES") {
    throw invalid(`class result not available for output due to unsupported type 'BYTES'`);
  }
  if (tensor.size > MAX_ELEMENTS) {
    throw invalid(
      `class result not available for output '${name}': it has ${tensor.size} elements, at most ${MAX_ELEMENTS} can be sorted`,
    );
  }
  const items = batched ? tensor.shape[0] ?? 1 : 1;
  const length = items === 0 ? 0 : tensor.size / items;
  const top = Math.min(count, length);
  const values = tensor.dtype === "INT64" || tensor.dtype === "UINT64"
    ? Array.from(tensor.data as BigInt64Array | BigUint64Array, Number)
    : tensor.toNumbers();
  const classes: string[] = [];
  for (let item = 0; item < items; item++) {
    const of = (index: number) => values[item * length + index]!;
    const order = Array.from({ length }, (_, index) => index).sort((a, b) => compare(of(b), of(a)));
    for (const index of order.slice(0, top)) {
      const label = labels[index];
      classes.push(`${fixed(of(index))}:${index}${label === undefined || label === "" ? "" : `:${label}`}`);
    }
  }
  return Tensor.from("BYTES", classes, batched ? [items, top] : [top]);
}

function compare(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return a < b ? -1 : a > b ? 1 : 0;
}

function fixed(value: number): string {
  return Number.isFinite(value) ? value.toFixed(6) : String(value).replace("Infinity", "inf").replace("NaN", "nan");
}
