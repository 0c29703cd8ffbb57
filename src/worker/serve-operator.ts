import { equals, fromBinary } from "@bufbuild/protobuf";
import { ModelInferRequestSchema } from "../../gen/inference/grpc_service_pb.ts";
import { type OperatorDeclaration, OperatorDeclarationSchema } from "../../gen/waybill/v1/discovery_pb.ts";
import type { Logger } from "../bus/logger.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { highestVersion } from "../discovery/versions.ts";
import type { CallServer } from "../rpc/call-server.ts";
import { OperatorServer } from "../rpc/operator-server.ts";
import type { RequestStore } from "../rpc/queue/request-store.ts";
import { type ExecutionHost, operatorMethods } from "./execute.ts";
import type { Operator } from "./operator.ts";
import { declarationOf } from "./records.ts";

/** What operators are served with. */
export interface Serving {
  readonly discovery: Discovery;
  readonly server: CallServer;
  readonly store: RequestStore;
  readonly host: ExecutionHost;
  /** For operators that do not say it themselves. */
  readonly ackWaitMs: number;
}

/** Declares operators and begins to serve them. */
export function serveOperators(operators: readonly Operator[], serving: Serving): Promise<OperatorServer[]> {
  return Promise.all(operators.map((operator) => {
    const versions = operators.filter(({ name }) => name === operator.name).map(({ version }) => version);
    return serveOperator(operator, serving, versions);
  }));
}

/** Tells running operators what is declared of them, as others add versions. Ends with the discovery. */
export async function followDeclarations(
  discovery: Discovery,
  operators: readonly OperatorServer[],
  logger: Logger,
): Promise<void> {
  try {
    await discovery.watch((event) => {
      if (event.type !== "declared") return;
      for (const operator of operators) if (operator.name === event.declaration.name) operator.redeclared(event.declaration);
    });
  } catch (error) {
    logger.warn("Cannot follow what others declare", { error: String(error) });
  }
}

async function serveOperator(
  operator: Operator,
  { discovery, server, store, host, ackWaitMs }: Serving,
  versions: readonly string[],
): Promise<OperatorServer> {
  const declare = () => discovery.declare(declarationOf(operator, ackWaitMs));
  const declaration = await declareSettled(declare, store);
  const { version, maxInflight } = operator;
  const serving = new OperatorServer(server, store, {
    declaration,
    version,
    declare,
    maxInflight,
    methods: operatorMethods(host, operator),
    watch: host.metrics?.operator(operator.name),
    isMine: versions.length === 1 ? undefined : (payload) => pick(versions, payload) === version,
  });
  await serving.start();
  return serving;
}

/** Workers of several versions may start at once: whoever makes the queue last makes it from what all have declared. */
async function declareSettled(declare: () => Promise<OperatorDeclaration>, store: RequestStore): Promise<OperatorDeclaration> {
  for (let declared = await declare();;) {
    await store.declare(declared);
    const now = await declare();
    if (equals(OperatorDeclarationSchema, now, declared)) return declared;
    declared = now;
  }
}

/** Which of an instance's versions takes a request that is directed to it: one must, if only to refuse. */
function pick(versions: readonly string[], payload: Uint8Array): string | undefined {
  const highest = highestVersion(versions);
  try {
    const { modelVersion } = fromBinary(ModelInferRequestSchema, payload);
    return versions.includes(modelVersion) ? modelVersion : highest;
  } catch {
    return highest;
  }
}
