import { create } from "@bufbuild/protobuf";
import { createServiceImplSpec, type ServiceImplSpec } from "@connectrpc/connect";
import { OperatorDeclarationSchema } from "../../gen/waybill/v1/discovery_pb.ts";
import type { Bus } from "../../src/bus/bus.ts";
import { CallServer, methodsOf } from "../../src/rpc/call-server.ts";
import { OperatorServer } from "../../src/rpc/operator-server.ts";
import { JetStreamStore } from "../../src/rpc/queue/jetstream-store.ts";
import { operatorRoute, type Route, serviceRoute } from "../../src/rpc/route.ts";
import { serve } from "../../src/rpc/serve.ts";
import { Subjects } from "../../src/rpc/subjects.ts";
import { registry } from "./convert.ts";
import { ConformanceService } from "./gen/connectrpc/conformance/v1/service_pb.ts";
import { conformanceService } from "./service.ts";

/** How calls of the suite travel: to a service's own subject, or to an operator in each of its ways. */
export const wayNames = ["service", "direct", "directed", "queue", "at-most-once"] as const;
/** One of {@linkcode wayNames}. */
export type WayName = typeof wayNames[number];

const operator = "conformance";
const instance = "conformance-instance";
const serviceSubject = (namespace: string) => `wb.${namespace}.n.conformance`;

/** The way that a program's environment names. */
export function wayOf(name: string | undefined): WayName {
  const way = wayNames.find((known) => known === name);
  if (way === undefined) throw new Error(`Cannot run: the way must be one of ${wayNames.join(", ")}, got "${name}"`);
  return way;
}

/** Where a client sends its calls. */
export function routeOf(way: WayName, namespace: string): Route {
  if (way === "service") return serviceRoute(serviceSubject(namespace), "the conformance service");
  const subjects = new Subjects(namespace);
  return operatorRoute(subjects, operator, way === "directed" ? { instance } : { mode: way });
}

/** Serves the suite on every way. */
export async function serveAll(bus: Bus, namespace: string): Promise<void> {
  const spec: ServiceImplSpec = createServiceImplSpec<typeof ConformanceService>(ConformanceService, conformanceService);
  serve(bus, { namespace, subject: serviceSubject(namespace), services: [spec], registry });
  const server = new CallServer(bus, { namespace, instance, registry });
  const store = new JetStreamStore(bus, server.subjects, instance);
  const declaration = create(OperatorDeclarationSchema, {
    ...{ name: operator, versions: ["1"], defaultVersion: "1", maxAttempts: 3, priorities: 1, storage: "memory" },
    ackWaitMs: 5_000,
  });
  await store.declare(declaration);
  const serving = new OperatorServer(server, store, {
    declaration,
    version: "1",
    maxInflight: 256,
    declare: () => Promise.resolve(declaration),
    methods: methodsOf(spec),
  });
  await serving.start();
  await bus.flush();
}
