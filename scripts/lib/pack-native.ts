import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nativePackage } from "../../src/native/load.ts";
import { builtAddon } from "./native-build.ts";
import { runCommand } from "./run-command.ts";
import { withTempFolder } from "./temp-folder.ts";

/** What the package's page says: enough to know whether one wants it. */
function readme(name: string, glibc: string): string {
  return `# ${name}\n\nThe native part of Waybill, built for ${process.platform} ${process.arch} with glibc ${glibc} or newer. ` +
    "Install it beside `waybill`, which finds it by its name. UCX and CUDA are not in it: it opens what the machine has.\n";
}

/** The newest symbols of the C library that the addon needs. */
async function neededGlibc(addon: string): Promise<string> {
  const { output } = await runCommand("objdump", ["-T", addon], { capture: true });
  const versions = [...output.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => Number(major) * 1000 + Number(minor));
  const newest = Math.max(2000, ...versions);
  return `${Math.floor(newest / 1000)}.${newest % 1000}`;
}

/** What is in the addon and was written by others, with their licences. */
function notice(): string {
  return [readFileSync("native/third_party/README.md", "utf8"), readFileSync("native/third_party/ucx/LICENSE", "utf8")].join(
    "\n",
  );
}

/**
 * Makes the platform's package out of the addon that was built.
 *
 * @param destination the folder that the tarball goes to
 * @returns the tarball's path
 * @throws {Error} with npm's output
 */
export async function packNative(destination: string): Promise<string> {
  const name = nativePackage();
  const { version, license } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string; license: string };
  return await withTempFolder(async (folder) => {
    const addon = join(folder, "waybill.node");
    copyFileSync(builtAddon, addon);
    // Without a backtrace's names it is a third of the size; a machine without strip packs it as it is.
    await runCommand("strip", ["--strip-debug", addon], { capture: true });
    const manifest = {
      name,
      version,
      description: `The native part of waybill for ${process.platform} ${process.arch}`,
      license,
      os: [process.platform],
      cpu: [process.arch],
      libc: ["glibc"],
      main: "waybill.node",
      files: ["waybill.node", "NOTICE.md"],
    };
    writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
    writeFileSync(join(folder, "README.md"), readme(name, await neededGlibc(addon)));
    writeFileSync(join(folder, "NOTICE.md"), notice());
    copyFileSync("LICENSE", join(folder, "LICENSE"));
    mkdirSync(destination, { recursive: true });
    const ended = await runCommand("npm", ["pack", folder, "--pack-destination", destination, "--silent"], { capture: true });
    if (ended.code !== 0) throw new Error(`npm pack failed:\n${ended.output.trimEnd()}`);
    return join(destination, `${name}-${version}.tgz`);
  });
}
