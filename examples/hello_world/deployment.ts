/**
 * The hello world as a deployment: what `deploy.ts` runs with flags, and `waybill up examples/hello_world/deployment.ts` without.
 *
 * @module
 */
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { defineDeployment, type DeploymentDefinition, type WorkerRuntime } from "../../src/deployment/mod.ts";
import type { DeploymentBroker, LogLevel } from "../../src/deployment/mod.ts";
import { DEPLOY_FLAGS, type DeployFlags } from "./support/deployment-flags.ts";
import { defaultsOf } from "./support/flags.ts";
import { layoutOf, type WorkerGroup } from "./support/layout.ts";
import { envOf } from "./support/worker-env.ts";

const LEVELS: readonly LogLevel[] = ["error", "info", "debug"];

/** How to deploy groups of workers. */
export interface HelloWorldOptions {
  readonly runtime: WorkerRuntime;
  /** The broker to start. */
  readonly broker?: DeploymentBroker;
  /** The broker that is there, where none is started. */
  readonly servers?: string;
  /** Default: this example's `worker.ts`. */
  readonly workerFile?: URL;
  readonly logDir?: string;
  readonly clearLogs?: boolean;
  readonly logLevel?: LogLevel;
  readonly startingMetricsPort?: number;
  /** Whether each group is on a node of its own, with a sidecar that holds its tensors. Default `false`. */
  readonly sidecars?: boolean;
}

/** A deployment of groups of workers. */
export function helloWorld(groups: readonly WorkerGroup[], options: HelloWorldOptions): DeploymentDefinition {
  const { workerFile = new URL("./worker.ts", import.meta.url), sidecars = false, ...rest } = options;
  return defineDeployment({
    ...rest,
    ...(sidecars ? { sidecars: Object.fromEntries(groups.map(({ operator }) => [operator, {}])) } : {}),
    workers: groups.map(({ operator, count, settings, kind }) => ({
      name: operator,
      file: workerFile,
      operators: [operator],
      count,
      ...(sidecars ? { sidecar: operator } : {}),
      env: envOf(settings, kind),
    })),
  });
}

/** The deployment that `deploy.ts` was told to run. */
export function deploymentOf(flags: DeployFlags): DeploymentDefinition {
  const { "request-plane-uri": uri, "operator-repository": repository, "log-dir": logDir } = flags;
  return helloWorld(layoutOf(flags), {
    runtime: flags.runtime,
    ...(flags["initialize-request-plane"] ? { broker: brokerAt(uri) } : { servers: uri }),
    workerFile: repository === "" ? undefined : pathToFileURL(join(repository, "worker.ts")),
    logDir: logDir === "" ? undefined : resolve(logDir),
    clearLogs: flags["clear-logs"],
    logLevel: LEVELS[flags["log-level"]] ?? "debug",
    startingMetricsPort: flags["starting-metrics-port"],
  });
}

/** A broker that listens where a URI leads to; with websockets at their own default only where the URI is the default too. */
function brokerAt(uri: string): DeploymentBroker {
  const { port, protocol } = new URL(uri);
  const isDefault = uri === DEPLOY_FLAGS["request-plane-uri"].default;
  if (protocol === "ws:") return { port: 0, websocketPort: Number(port) };
  return { port: Number(port), websocketPort: isDefault ? undefined : 0 };
}

const deployment: DeploymentDefinition = deploymentOf({
  ...defaultsOf(DEPLOY_FLAGS),
  "initialize-request-plane": true,
});
export default deployment;
