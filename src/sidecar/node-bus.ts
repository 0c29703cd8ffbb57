import { hostname } from "node:os";
import process from "node:process";
import { create } from "@bufbuild/protobuf";
import { Code, createServiceImplSpec } from "@connectrpc/connect";
import { InstanceRecordSchema } from "../../gen/waybill/v1/discovery_pb.ts";
import { LeaseService } from "../../gen/waybill/v1/lease_pb.ts";
import { NodeService } from "../../gen/waybill/v1/node_pb.ts";
import { connectBus } from "../bus/connect.ts";
import { clientOver } from "../client/connect.ts";
import type { Client } from "../client/client.ts";
import { runtimeName } from "../data/runtime-name.ts";
import { KvDiscovery } from "../discovery/kv-discovery.ts";
import type { Discovery, Registration } from "../discovery/discovery.ts";
import { fault } from "../rpc/error.ts";
import { randomId } from "../rpc/ids.ts";
import { serve, type Served } from "../rpc/serve.ts";
import type { ClientObserver } from "../telemetry/observer.ts";
import type { Way } from "../waybill/way.ts";
import { wayToWire } from "../waybill/way.ts";
import type { ResolvedSidecarOptions } from "./options.ts";
import type { NodeServices } from "./service/node-service.ts";

/** A node's connection to its deployment's broker. */
export interface NodeBus {
  /** Over that connection. */
  readonly client: Client;
  /** Serves the node's tensors to all, and what it holds to those who look after the deployment. */
  serve(services: { readonly open: NodeServices; readonly control: NodeServices }): void;
  /** Tells discovery of the node. */
  register(ways: readonly Way[]): Promise<void>;
  /** Takes the node out of discovery. */
  unregister(): Promise<void>;
  close(): Promise<void>;
}

/** Two nodes of one name would answer each other's calls. What a dead process of this host left does not count. */
async function mustBeAlone(discovery: Discovery, node: string): Promise<void> {
  const others = await discovery.instances({}, { timeoutMs: 10_000 });
  for (const { instance, name, host, pid } of others.filter((other) => other.node === node)) {
    if (host === hostname() && !isAlive(pid)) {
      await discovery.forget(instance, { timeoutMs: 5_000 });
      continue;
    }
    const seen = `"${name}" has it, process ${pid} on ${host}`;
    const text = `Cannot start a sidecar: its node's name must be no other's in the namespace, got "${node}": ${seen}`;
    throw fault(text, Code.AlreadyExists, { reason: "NODE_RUNS" });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}

/**
 * Connects.
 *
 * @throws {ConnectError} as `connectBus`
 */
export async function openNodeBus(options: ResolvedSidecarOptions, metrics: ClientObserver): Promise<NodeBus> {
  const { namespace, node, logger, over, servers, operatorWaitMs } = options;
  const bus = over?.bus ?? await connectBus(servers, { ...options, name: node, local: options.local ?? { role: "worker" } });
  const discovery = over?.discovery ?? new KvDiscovery(bus, { namespace, logger, inboxPrefix: options.inboxPrefix });
  const client = clientOver(bus, discovery, { namespace, logger, component: node, operatorWaitMs, metrics });
  const instance = randomId();
  const served: Served[] = [];
  let registration: Registration | undefined;
  return {
    client,
    serve({ open, control }) {
      const { subjects } = client.caller;
      for (
        const [subject, { node: nodes, leases }] of [[subjects.node(node), open], [
          subjects.nodeControl(node),
          control,
        ]] as const
      ) {
        const services = [createServiceImplSpec(NodeService, nodes), createServiceImplSpec(LeaseService, leases)];
        served.push(serve(bus, { namespace, instance: node, subject, services, logger }));
      }
    },
    async register(ways) {
      await bus.flush();
      await mustBeAlone(discovery, node);
      registration = await discovery.register(create(InstanceRecordSchema, {
        instance,
        name: node,
        runtime: runtimeName(),
        host: hostname(),
        pid: process.pid,
        startedAtMs: BigInt(Date.now()),
        node,
        ways: ways.map(wayToWire),
      }));
    },
    async unregister() {
      await registration?.close({ timeoutMs: 1_000 });
    },
    async close() {
      for (const one of served) await one.close({ drainMs: 1_000 });
      await client.close();
      if (over === undefined) await bus.close();
    },
  };
}
