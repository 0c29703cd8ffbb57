import { median } from "./report.ts";

/** Product against floor. */
export interface Paired {
  readonly value: number;
  readonly floor: number;
}

/**
 * Measures floor and product in turns. Rounds are pairs: the machine's drift hits both of a pair alike, so the ratio is the median
 * of the pairs' ratios, and the floor that is told fits it.
 */
export async function paired(rounds: number, floor: () => Promise<number>, product: () => Promise<number>): Promise<Paired> {
  const values: number[] = [];
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const beside = await floor();
    const value = await product();
    values.push(value);
    ratios.push(value / beside);
  }
  const value = median(values);
  return { value, floor: value / median(ratios) };
}
