import { readdir } from "node:fs/promises";
import { loadNative, openCuda } from "../../native/mod.ts";
import { type Finding, output } from "./finding.ts";

const GIB = 2 ** 30;

/** What the driver says, by the addon, or else by its own tool. */
async function listed(): Promise<string | undefined> {
  const { addon } = loadNative();
  const cuda = addon === undefined ? undefined : openCuda(addon);
  if (cuda?.driver !== undefined) {
    const gpus = cuda.devices.map(({ name, totalBytes }) => `${name}, ${(totalBytes / GIB).toFixed(1)} GiB`);
    return `${gpus.join("; ")}, CUDA ${cuda.version}`;
  }
  const text = await output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader");
  return text ? text.split("\n").join("; ") : undefined;
}

/** GPUs that this process can see. */
export async function examineGpu(): Promise<Finding> {
  const about = { name: "GPU", required: false };
  const found = await listed();
  if (found !== undefined) return { ...about, state: "ok", found };
  const devices = (await readdir("/dev").catch((): string[] => [])).filter((name) => /^nvidia\d+$/.test(name));
  if (devices.length > 0) {
    const advice = "CUDA's driver does not answer: check that libcuda.so.1 and the kernel module agree";
    return { ...about, state: "warning", found: `${devices.length} devices in /dev`, advice };
  }
  const advice = "Everything runs on the CPU then. In a container: docker run --gpus all, with the NVIDIA container toolkit";
  return { ...about, state: "missing", found: "none", advice };
}
