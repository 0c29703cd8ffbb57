import { describe, expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import {
  compareVersions,
  highestVersion,
  pickInstance,
  pickUploadNode,
  servedOperator,
  servingInstances,
  StaticDiscovery,
  uploadNodes,
} from "../../src/discovery/mod.ts";
import { declaration, instance, serving, Story } from "./support.ts";

describe("compareVersions", () => {
  test("orders numbers by value, above all other text", () => {
    const versions = ["10", "canary", "9", "2", "v2", "12345678901234567891", "12345678901234567890", "007", "Alpha"];
    expect([...versions].sort(compareVersions)).toEqual([
      "Alpha",
      "canary",
      "v2",
      "2",
      "007",
      "9",
      "10",
      "12345678901234567890",
      "12345678901234567891",
    ]);
    expect(highestVersion(versions)).toBe("12345678901234567891");
    expect(highestVersion([])).toBe(undefined);
  });
});

describe("resolving", () => {
  const ways = [{ kind: { case: "http" as const, value: { url: "http://h" } } }];
  const instances = [
    instance({ instance: "a", operators: [{ name: "x", version: "9" }, { name: "x", version: "10" }], node: "n1", ways }),
    instance({ instance: "b", operators: [{ name: "x", version: "9" }], node: "n1", ways }),
    instance({ instance: "c", operators: [{ name: "x", version: "10" }], draining: true, node: "n2", ways }),
    instance({ instance: "d", operators: [{ name: "y", version: "1" }], node: "n3", ways }),
    instance({ instance: "e", operators: [{ name: "y", version: "1" }], node: "n4" }),
    instance({ instance: "f", operators: [{ name: "y", version: "1" }] }),
  ];
  const ids = (found: { instance: string }[]) => found.map(({ instance }) => instance);

  test("finds the instances that take requests for an operator and version", () => {
    expect(ids(servingInstances(instances, "x"))).toEqual(["a", "b"]);
    expect(ids(servingInstances(instances, "x", "10"))).toEqual(["a"]);
    expect(ids(servingInstances(instances, "x", "1"))).toEqual([]);
    expect(servedOperator(instances[0]!, "x")?.version).toBe("10");
    expect(servedOperator(instances[0]!, "y")).toBe(undefined);
  });

  test("picks one by chance, or none", () => {
    expect(pickInstance(instances, "x", undefined, { random: () => 0 })?.instance).toBe("a");
    expect(pickInstance(instances, "x", undefined, { random: () => 0.99 })?.instance).toBe("b");
    expect(pickInstance(instances, "z")).toBe(undefined);
  });

  test("picks nodes that can be reached and are not draining, each once", () => {
    expect(ids(uploadNodes(instances))).toEqual(["a", "d"]);
    expect(pickUploadNode(instances, { random: () => 0.5 })?.node).toBe("n3");
    expect(pickUploadNode([])).toBe(undefined);
  });
});

describe("StaticDiscovery", () => {
  const discovery = new StaticDiscovery({
    instances: [serving("a"), serving("b", "other")],
    declarations: [declaration("encoder", "1")],
  });

  test("answers from what it was given", async () => {
    expect(await discovery.declaration("encoder")).toMatchObject({ versions: ["1"] });
    expect(await discovery.declaration("none")).toBe(undefined);
    expect(await discovery.declarations()).toHaveLength(1);
    expect(await discovery.instances()).toHaveLength(2);
    expect(await discovery.instances({ operator: "other" })).toHaveLength(1);
    expect(await discovery.instance("b")).toMatchObject({ instance: "b" });
    const story = new Story();
    const watch = await discovery.watch(story.listener);
    expect(story.lines).toEqual(["declared encoder 1", "up a", "up b", "ready"]);
    expect(watch.instances()).toHaveLength(2);
    await watch.close();
  });

  test("refuses writes", async () => {
    const refused = [
      discovery.declare(declaration("a", "1")),
      discovery.undeclare("encoder"),
      discovery.register(serving("c")),
    ];
    for (const call of refused) await expect(call).rejects.toMatchObject({ code: Code.FailedPrecondition });
  });
});
