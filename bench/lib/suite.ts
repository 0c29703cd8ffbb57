import type { Chart } from "./chart.ts";
import type { Runtime } from "./child.ts";
import type { Case } from "./report.ts";
import type { Resources } from "./resources.ts";

/** How thorough a run is, and what it holds on to. */
export interface RunOptions {
  /** Seconds per load. */
  readonly seconds: number;
  /** Rounds in which product and floor take turns; three where nothing is required. */
  readonly rounds: number;
  /** A run that only shows that everything works: small sizes, figures that mean little. */
  readonly quick: boolean;
  /** What runs clients and workers, where the suite does not compare runtimes. */
  readonly runtime: Runtime;
  /** Sections to run: those whose name contains this. All when empty. */
  readonly only: string;
  /** Whatever is started, to be closed at the end and on Ctrl-C. */
  readonly resources: Resources;
}

/** What a suite, or a section of it, found. */
export interface Findings {
  readonly cases: readonly Case[];
  readonly charts: readonly Chart[];
}

/** A part of a suite that can be run alone. */
export interface Section {
  readonly name: string;
  run(options: RunOptions): Promise<Findings>;
}

/** Runs sections one after the other, each with resources of its own, and says how long each took. */
export async function runSections(sections: readonly Section[], options: RunOptions): Promise<Findings> {
  const cases: Case[] = [];
  const charts: Chart[] = [];
  for (const { name, run } of sections.filter((section) => section.name.includes(options.only))) {
    console.error(`── ${name}`);
    const started = performance.now();
    const found = await options.resources.scope((resources) => run({ ...options, resources }));
    cases.push(...found.cases);
    charts.push(...found.charts);
    console.error(`   ${name} took ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
  return { cases, charts };
}
