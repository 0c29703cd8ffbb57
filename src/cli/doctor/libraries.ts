import { readdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { type Finding, firstFile, output, shellPath } from "./finding.ts";

/** The path that the system's loader has for a library. */
async function fromLoader(name: string): Promise<string[]> {
  const cache = await output("ldconfig", "-p") ?? await output("/sbin/ldconfig", "-p") ?? "";
  return cache.split("\n").filter((line) => line.trim().startsWith(name)).map((line) => line.split(" => ")[1] ?? "");
}

/** Where pip puts packages for the Python in PATH: wheels hold both libraries. */
async function sitePackages(): Promise<string> {
  return await output("python3", "-c", "import sysconfig; print(sysconfig.get_paths()['platlib'])") ?? "";
}

function libraryPath(name: string): string[] {
  return (process.env.LD_LIBRARY_PATH ?? "").split(delimiter).filter((folder) => folder !== "").map((folder) =>
    join(folder, name)
  );
}

/** Triton, in process or as a server. */
export async function examineTriton(): Promise<Finding> {
  const name = "libtritonserver.so";
  // The wheel's build gives its copy of the library a name with a hash.
  const wheel = join(await sitePackages(), "nvidia_pytriton.libs");
  const bundled = await readdir(wheel).catch((): string[] => []);
  const found = await firstFile([
    ...libraryPath(name),
    "/opt/tritonserver/lib/libtritonserver.so",
    ...await fromLoader(name),
    ...bundled.filter((file) => /^libtritonserver-.*\.so$/.test(file)).map((file) => join(wheel, file)),
    "/opt/tritonserver/bin/tritonserver",
    ...shellPath().map((folder) => join(folder, "tritonserver")),
  ]);
  const about = { name: "Triton", required: false };
  if (found !== undefined) return { ...about, state: "ok", found };
  const advice =
    "Not used by this version, whose operators are TypeScript: NVIDIA's container, or pip install nvidia-pytriton==0.7.0";
  return { ...about, state: "missing", found: `no ${name} and no tritonserver`, advice };
}
