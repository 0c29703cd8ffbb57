import type { Axis, Chart, Series } from "./chart.ts";

const WIDTH = 760;
const HEIGHT = 420;
const PLOT = { left: 78, top: 64, right: 34, bottom: 58 } as const;
const COLORS = ["#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2"] as const;
const FLOOR_COLORS = ["#6b7280", "#9ca3af"] as const;
const MARKERS_UP_TO = 12;
const LEGEND_CHAR = 6.6;

/** Where a value is on an axis, and which values are marked. */
interface Scale {
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** Draws a chart as an SVG that stands alone: readable on light and dark pages, no scripts, no fonts to load. */
export function chartSvg(chart: Chart, caption: string): string {
  const { title, x, y, series } = chart;
  const points = series.flatMap((line) => line.points);
  const xs = points.map(([value]) => value);
  const ys = points.map(([, value]) => value);
  const right = WIDTH - PLOT.right;
  const bottom = HEIGHT - PLOT.bottom;
  const xScale = scaleOf(x, xs, PLOT.left, right, true);
  const yScale = scaleOf(y, ys, bottom, PLOT.top, false);
  const colors = colorsOf(series);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${escape(title)}</title>`,
    STYLE,
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}" rx="6"/>`,
    `<text class="title" x="${PLOT.left}" y="26">${escape(title)}</text>`,
    ...legend(series, colors),
    ...yScale.ticks.flatMap((value) => {
      const at = round(yScale.at(value));
      return [
        `<line class="grid" x1="${PLOT.left}" x2="${right}" y1="${at}" y2="${at}"/>`,
        `<text class="tick" x="${PLOT.left - 8}" y="${at + 4}" text-anchor="end">${figure(value)}</text>`,
      ];
    }),
    `<line class="axis" x1="${PLOT.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    ...xScale.ticks.flatMap((value) => {
      const at = round(xScale.at(value));
      return [
        `<line class="axis" x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 5}"/>`,
        `<text class="tick" x="${at}" y="${bottom + 19}" text-anchor="middle">${figure(value)}</text>`,
      ];
    }),
    `<text class="label" x="${(PLOT.left + right) / 2}" y="${bottom + 38}" text-anchor="middle">${escape(x.label)}</text>`,
    `<text class="label" transform="translate(18 ${(PLOT.top + bottom) / 2}) rotate(-90)" text-anchor="middle">${
      escape(y.label)
    }</text>`,
    ...series.flatMap((line, index) => drawLine(line, colors[index]!, xScale, yScale)),
    `<text class="caption" x="${right}" y="${HEIGHT - 7}" text-anchor="end">${escape(caption)}</text>`,
    "</svg>\n",
  ].join("\n");
}

const STYLE = `<style>
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #374151; }
.page { fill: #ffffff; } .title { font-size: 16px; font-weight: 600; fill: #111827; }
.tick, .legend { font-size: 12px; } .label { font-size: 13px; } .caption { font-size: 10px; fill: #6b7280; }
.grid { stroke: #e5e7eb; } .axis { stroke: #9ca3af; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; } .floor { stroke-dasharray: 6 5; }
@media (prefers-color-scheme: dark) {
  text { fill: #d1d5db; } .page { fill: #111827; } .title { fill: #f9fafb; } .caption { fill: #9ca3af; }
  .grid { stroke: #374151; } .axis { stroke: #6b7280; }
}
</style>`;

function colorsOf(series: readonly Series[]): string[] {
  let product = 0;
  let floor = 0;
  return series.map((line) => line.floor ? FLOOR_COLORS[floor++ % FLOOR_COLORS.length]! : COLORS[product++ % COLORS.length]!);
}

function legend(series: readonly Series[], colors: readonly string[]): string[] {
  let x = PLOT.left as number;
  return series.flatMap(({ name, floor }, index) => {
    const start = x;
    x += 30 + name.length * LEGEND_CHAR + 18;
    return [
      `<line class="line${floor ? " floor" : ""}" stroke="${colors[index]}" x1="${start}" x2="${start + 22}" y1="44" y2="44"/>`,
      `<text class="legend" x="${start + 28}" y="48">${escape(name)}</text>`,
    ];
  });
}

function drawLine({ points, floor }: Series, color: string, x: Scale, y: Scale): string[] {
  const placed = points.map(([a, b]) => [round(x.at(a)), round(y.at(b))] as const);
  const path = placed.map(([a, b]) => `${a},${b}`).join(" ");
  const markers = placed.length > MARKERS_UP_TO
    ? []
    : placed.map(([a, b]) => `<circle cx="${a}" cy="${b}" r="3.2" fill="${color}"/>`);
  return [`<polyline class="line${floor ? " floor" : ""}" stroke="${color}" points="${path}"/>`, ...markers];
}

function scaleOf({ log = false }: Axis, values: readonly number[], from: number, to: number, isX: boolean): Scale {
  const least = Math.min(...values);
  const most = Math.max(...values);
  if (log) {
    const [low, high] = isX
      ? [Math.log(least), Math.log(most)]
      : [Math.floor(Math.log10(least)) * Math.LN10, Math.ceil(Math.log10(most)) * Math.LN10];
    const span = high - low || 1;
    const ticks = isX ? [...new Set(values)].sort((a, b) => a - b) : powersOfTen(low, high);
    return { at: (value) => from + (to - from) * (Math.log(value) - low) / span, ticks };
  }
  const start = isX ? Math.min(0, least) : 0;
  const step = niceStep((most - start) / 5);
  const end = isX ? most : Math.ceil(most / step - 1e-9) * step;
  const count = Math.floor((end - start) / step + 1e-9) + 1;
  const ticks = Array.from({ length: count }, (_, index) => start + index * step);
  return { at: (value) => from + (to - from) * (value - start) / (end - start || 1), ticks };
}

function powersOfTen(low: number, high: number): number[] {
  const first = Math.round(low / Math.LN10);
  const last = Math.round(high / Math.LN10);
  return Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index));
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough * (1 - 1e-9)) ?? power;
}

function figure(value: number): string {
  const rounded = Number(value.toPrecision(6));
  return rounded.toLocaleString("en", { maximumFractionDigits: 3 });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
