import { ConnectError } from "@connectrpc/connect";
import { loadNative, locateUcx } from "../../native/mod.ts";
import { UcxWire } from "../../sidecar/ucx/mod.ts";
import { type Finding, output } from "./finding.ts";

/** What a source build of the addon would lack. */
async function buildTools(): Promise<string> {
  const [cmake, compiler] = await Promise.all([output("cmake", "--version"), output(process.env.CXX || "c++", "--version")]);
  const absent = [...cmake === undefined ? ["cmake"] : [], ...compiler === undefined ? ["a C++ compiler"] : []];
  if (absent.length === 0) return "npm run native builds it in a checkout";
  return `To build it ${absent.join(" and ")} would be needed (Debian, Ubuntu: apt-get install g++ cmake make)`;
}

/** The addon, which sidecars keep tensors with in shared memory and move them by UCX. */
export async function examineAddon(): Promise<Finding> {
  const about = { name: "native addon", required: false };
  const load = loadNative();
  if (load.addon !== undefined) return { ...about, state: "ok", found: `${load.addon.version} at ${load.path}` };
  const advice = `Without it sidecars keep tensors on the heap and move them over HTTP. ${await buildTools()}`;
  return { ...about, state: "missing", found: load.unavailable, advice };
}

/** UCX, which moves tensors between machines: opened, since only then it says what it can do. */
export async function examineUcx(): Promise<Finding> {
  const about = { name: "UCX", required: false };
  const library = await locateUcx();
  const advice = "Without it tensors move over HTTP and the bus. npm run setup:ucx fetches one; docs/native.md names others";
  if (library === undefined) return { ...about, state: "missing", found: "no libucp.so.0", advice };
  const found = `${library.version ?? "unknown version"} from ${library.source} (${library.path})`;
  const { addon } = loadNative();
  if (addon === undefined) return { ...about, state: "warning", found, advice: "It needs the native addon, which is missing" };
  try {
    const wire = await UcxWire.open({ addon, key: new Uint8Array(32), host: "127.0.0.1" });
    const { transports, devices } = await wire.describe();
    await wire.close();
    return { ...about, state: "ok", found: `${found}, transports ${transports.join(" ")}, devices ${devices.join(" ")}` };
  } catch (error) {
    return { ...about, state: "warning", found, advice: ConnectError.from(error).rawMessage };
  }
}
