import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "bun:test";
import { InstanceRecordSchema } from "../../gen/waybill/v1/discovery_pb.ts";
import { Listing } from "../../src/client/listing.ts";
import { StaticDiscovery } from "../../src/discovery/static-discovery.ts";
import type { DiscoveryCallOptions, InstanceFilter } from "../../src/discovery/discovery.ts";

/** Counts how often everything is read. */
class CountedDiscovery extends StaticDiscovery {
  listings = 0;
  serves: string[];

  constructor(serves: string[]) {
    super({ instances: [], declarations: [] });
    this.serves = serves;
  }

  override instances(_filter?: InstanceFilter, _options?: DiscoveryCallOptions) {
    this.listings++;
    const operators = this.serves.map((name) => ({ name, version: "1" }));
    return Promise.resolve([create(InstanceRecordSchema, { instance: "i", operators })]);
  }
}

const names = Array.from({ length: 100 }, (_, index) => `op-${index}`);

describe("a listing", () => {
  test("is made once for all operators that are looked up together or soon after", async () => {
    const discovery = new CountedDiscovery(names);
    const listing = new Listing(discovery);
    const found = await Promise.all(names.map((name) => listing.of(name)));
    expect(found.map(([served]) => served?.name)).toEqual(names);
    expect((await listing.of("op-7"))[0]?.name).toBe("op-7");
    expect(discovery.listings).toBe(1);
  });

  test("is made anew, once, for all that miss something in it", async () => {
    const discovery = new CountedDiscovery(["op-0"]);
    const listing = new Listing(discovery);
    await listing.of("op-0");
    discovery.serves = names;
    const found = await Promise.all(names.slice(1).map((name) => listing.of(name)));
    expect(found.every((served) => served.length === 1)).toBe(true);
    expect(discovery.listings).toBe(2);
    expect(await listing.of("nobody's")).toEqual([]);
  });
});
