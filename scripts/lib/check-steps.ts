import { readFile } from "node:fs/promises";
import { version as own } from "../../src/cli/version.ts";
import { documented } from "./documented.ts";
import { emit } from "./emit.ts";
import { generatedAgrees } from "./generated.ts";
import { missingPackages } from "./lock-file.ts";
import { runNativeTests, whyNoNativeTests } from "./native-tests.ts";
import { type Ended, runCommand } from "./run-command.ts";
import { verifyPackage } from "./verify-package.ts";

/** One thing that has to hold. */
export interface CheckStep {
  readonly name: string;
  /** Does it; anything but code 0 is a failure, explained by the output. */
  run(): Promise<Pick<Ended, "code" | "output">>;
  /** Why it cannot be done on this machine. Left out: it always can. */
  whyNot?(): Promise<string | undefined>;
}

/** What the wire looked like when it was last agreed on; `npm run check -- --update-baseline` writes it. */
export const baseline = "proto/baseline.binpb";

function command(name: string, file: string, ...args: string[]): CheckStep {
  return { name, run: () => runCommand(file, args, { capture: true }) };
}

/** The parts of package.json and deno.json that have to agree. */
interface Manifest {
  readonly version: string;
  readonly exports?: Readonly<Record<string, unknown>>;
  /** Of package.json. */
  readonly dependencies?: Readonly<Record<string, string>>;
  /** Of deno.json. */
  readonly imports?: Readonly<Record<string, string>>;
}

async function manifest(path: string): Promise<Manifest> {
  return JSON.parse(await readFile(path, "utf8"));
}

/** Files of the public entry points. */
export async function entryPoints(): Promise<string[]> {
  return Object.values((await manifest("deno.json")).exports ?? {}).filter((path) => typeof path === "string");
}

async function manifestsAgree(): Promise<Pick<Ended, "code" | "output">> {
  const [npm, deno] = await Promise.all([manifest("package.json"), manifest("deno.json")]);
  const names = ({ exports = {} }: Manifest) =>
    Object.keys(exports).filter((name) => name !== "./package.json").sort().join(" ");
  const specifiers = Object.entries(npm.dependencies ?? {}).map(([name, version]) => [name, `npm:${name}@${version}`] as const);
  const faults = [
    ...specifiers.filter(([name, wanted]) => deno.imports?.[name] !== wanted)
      .map(([name, wanted]) => `dependencies: package.json wants "${wanted}", deno.json has "${deno.imports?.[name]}"`),
    ...npm.version === deno.version ? [] : [`version: package.json has "${npm.version}", deno.json has "${deno.version}"`],
    ...npm.version === own ? [] : [`version: package.json has "${npm.version}", src/cli/version.ts has "${own}"`],
    ...names(npm) === names(deno) ? [] : [`exports: package.json has "${names(npm)}", deno.json has "${names(deno)}"`],
  ];
  return { code: faults.length === 0 ? 0 : 1, output: faults.join("\n") };
}

/** Whether `npm ci` takes the lock file everywhere. */
async function lockIsComplete(): Promise<Pick<Ended, "code" | "output">> {
  const missing = Object.keys(missingPackages(JSON.parse(await readFile("package-lock.json", "utf8"))));
  const output = `package-lock.json lacks ${missing.join(", ")}: run npm run lock`;
  return missing.length === 0 ? { code: 0, output: "" } : { code: 1, output };
}

/** Whether what would be published is in order. */
async function packageIsSound(): Promise<Ended> {
  const emitted = await emit();
  return emitted.code === 0 ? await verifyPackage() : emitted;
}

/** Whether the addon's own tests pass: a failure to build is one of theirs. */
async function nativeTestsPass(): Promise<Pick<Ended, "code" | "output">> {
  return await runNativeTests().catch((error: unknown) => ({ code: 1, output: String(error) }));
}

/** Everything that is checked beside the tests. */
export const checkSteps: readonly CheckStep[] = [
  command("format (deno fmt)", "deno", "fmt", "--check"),
  command("lint (deno lint)", "deno", "lint"),
  command("types (tsc)", "tsc"),
  command("types without inference (deno publish)", "deno", "publish", "--dry-run", "--allow-dirty", "--no-check", "--quiet"),
  command("protocol style (buf lint)", "buf", "lint"),
  command("protocol compatibility (buf breaking)", "buf", "breaking", "--against", baseline),
  { name: "generated code is current (npm run gen)", run: generatedAgrees },
  { name: "API documentation (deno doc --lint)", run: async () => documented(await entryPoints()) },
  { name: "versions and entry points agree", run: manifestsAgree },
  { name: "lock file is complete (npm run lock)", run: lockIsComplete },
  command("required behaviours have tests (npm run behaviours)", process.execPath, "scripts/behaviours.ts"),
  { name: "package (publint, attw)", run: packageIsSound },
  { name: "native addon (its own tests, sanitizers)", run: nativeTestsPass, whyNot: whyNoNativeTests },
];
