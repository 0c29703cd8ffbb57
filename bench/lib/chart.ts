/** One line of a chart. */
export interface Series {
  readonly name: string;
  /** Pairs of x and y, by x. */
  readonly points: readonly (readonly [x: number, y: number])[];
  /** A floor: drawn grey and dashed. */
  readonly floor?: boolean;
}

/** An axis of a chart. */
export interface Axis {
  readonly label: string;
  /** Logarithmic, with ticks at the points' own x or at powers of ten. Default: linear from 0. */
  readonly log?: boolean;
}

/** A chart as reports hold it; drawn by `chartSvg`. */
export interface Chart {
  /** Part of its file's name. */
  readonly id: string;
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}
