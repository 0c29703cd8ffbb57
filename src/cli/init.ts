import { execFile } from "node:child_process";
import { join, relative, resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { type CommandDef, defineCommand } from "citty";
import { telling } from "./failure.ts";
import { exists, ownDependency, type OwnPackage, ownPackage } from "./init/own-package.ts";
import { writeProject } from "./init/write-project.ts";

const args = {
  dir: { type: "positional", description: "The folder; it is made, or empty (default: this one)", required: false },
  waybill: { type: "string", description: "What package.json says of waybill, such as file:../waybill-0.1.0.tgz" },
} as const;

/** `waybill init [DIR]`: writes a small working project. */
export const init: CommandDef<typeof args> = defineCommand({
  meta: { name: "init", description: "Write a small working project: operator, worker, client, deployment, test" },
  args,
  run: ({ args }) =>
    telling(async () => {
      const folder = resolve(args.dir ?? ".");
      const own = await ownPackage();
      const files = await writeProject(folder, args.waybill ?? await ownDependency(own, folder));
      console.log(`Wrote ${files.join(", ")}`);
      if (args.waybill === undefined) await buildOnce(own);
      const steps = ["npm install", "npm test", "npm start"];
      const path = relative(process.cwd(), folder);
      console.log(`Now: ${(path === "" ? steps : [`cd ${path}`, ...steps]).join(" && ")}`);
      return 0;
    }),
});

/** A project that is linked to a clone imports what is published, which a clone does not have at first. */
async function buildOnce({ folder, isClone }: OwnPackage): Promise<void> {
  if (!isClone || await exists(join(folder, "dist/mod.js"))) return;
  console.log("Building the clone's dist/, which the project imports");
  await promisify(execFile)("node", [join(folder, "scripts/run.mjs"), "scripts/build.ts", "--emit-only"], { cwd: folder });
}
