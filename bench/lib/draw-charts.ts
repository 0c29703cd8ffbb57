import { writeFile } from "node:fs/promises";
import { chartSvg } from "./chart-svg.ts";
import type { Report } from "./report.ts";

/** Draws a report's charts beside its file: `queue.json` and the chart `inflight` make `queue-inflight.svg`. */
export async function drawCharts({ charts = [], machine }: Report, jsonFile: string): Promise<void> {
  for (const chart of charts) {
    const file = `${jsonFile.replace(/\.json$/, "")}-${chart.id}.svg`;
    await writeFile(file, chartSvg(chart, machine));
    console.error(`wrote ${file}`);
  }
}
