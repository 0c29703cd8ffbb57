import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { ListOperatorsRequest, ListOperatorsResponseSchema } from "../../../gen/waybill/v1/operator_pb.ts";
import type { OperatorRoutesOptions } from "./operator-routes.ts";

/** Longest that discovery is waited for. */
const TIMEOUT_MS = 5_000;

/** What discovery knows of operators, and what a client has to know of the node. */
export async function listOperators(
  { client, node, relays = false }: OperatorRoutesOptions,
  { name }: ListOperatorsRequest,
  context: HandlerContext,
): Promise<MessageInitShape<typeof ListOperatorsResponseSchema>> {
  const { discovery, bus, namespace } = client;
  const timeoutMs = Math.min(TIMEOUT_MS, context.timeoutMs() ?? TIMEOUT_MS);
  const options = { signal: context.signal, timeoutMs };
  const [declarations, instances] = await Promise.all([
    name === "" ? discovery.declarations(options) : discovery.declaration(name, options).then((one) => one ? [one] : []),
    discovery.instances(name === "" ? {} : { operator: name }, options),
  ]);
  return { node, namespace, relays, maxMessageBytes: BigInt(bus.maxPayloadBytes), declarations, instances };
}
