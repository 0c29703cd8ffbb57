import { Code, ConnectError } from "@connectrpc/connect";
import { parseBrokerUrls, redactUrl } from "../bus/urls.ts";
import { MAX_ACK_WAIT_MS, MIN_ACK_WAIT_MS } from "../rpc/beats.ts";
import { nearest } from "./nearest.ts";
import { fault } from "../rpc/error.ts";
import type { DeploymentClient } from "./definition-broker.ts";
import type { DeploymentSidecar } from "./definition-sidecar.ts";
import type { DeploymentOptions } from "./definition.ts";

/** What a field must be, in words and as a test. */
interface Rule {
  readonly wanted: string;
  readonly holds: (value: unknown) => boolean;
}

/** More of one component are a slip of the finger on one machine. */
const mostWorkers = 1_000;

type Rules<T> = { readonly [K in keyof Required<T>]: Rule };

const rule = (wanted: string, holds: (value: unknown) => boolean): Rule => ({ wanted, holds });
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isInteger = (value: unknown, min: number, max: number) =>
  typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;

const text = rule("a string that is not empty", isText);
const texts = rule("a list of strings", (value) => Array.isArray(value) && value.every((one) => typeof one === "string"));
const flag = rule("true or false", (value) => typeof value === "boolean");
const port = rule("a port from 0 to 65535", (value) => isInteger(value, 0, 65_535));
const integer = (min: number): Rule =>
  rule(`an integer from ${min}`, (value) => isInteger(value, min, Number.MAX_SAFE_INTEGER));
const milliseconds = rule("a number of milliseconds from 0", (value) => typeof value === "number" && value >= 0);
const oneOf = (...names: string[]): Rule =>
  rule(names.map((name) => `"${name}"`).join(" or "), (value) => names.some((name) => name === value));
const name = rule(
  "1 to 64 letters, digits, _ or -",
  (value) => typeof value === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(value),
);
const operatorNames = rule(
  "a list of operators' names",
  (value) => Array.isArray(value) && value.length > 0 && value.every(isText),
);
const runtime = oneOf("bun", "deno", "node");
const record = rule("an object", isRecord);

const deploymentRules: Rules<DeploymentOptions> = {
  name,
  namespace: rule("1 to 32 of a-z, 0-9, _ and -", (value) => typeof value === "string" && /^[a-z0-9_-]{1,32}$/.test(value)),
  broker: rule("an object or false", (value) => value === false || isRecord(value)),
  servers: rule(
    "a URL or a list of URLs",
    (value) => isText(value) || Array.isArray(value) && value.length > 0 && value.every(isText),
  ),
  token: text,
  clients: record,
  sidecars: record,
  workers: rule("a list of workers", Array.isArray),
  runtime,
  logDir: text,
  clearLogs: flag,
  logMaxBytes: rule("an integer from 4096, or Infinity", (value) => value === Infinity || integer(4096).holds(value)),
  logKeep: rule("an integer from 0 to 100", (value) => isInteger(value, 0, 100)),
  logLevel: oneOf("error", "warn", "info", "debug"),
  startingMetricsPort: port,
  metricsPort: rule("a port from 0 to 65535, or false", (value) => value === false || port.holds(value)),
  restart: record,
  ackWaitMs: rule(
    `an integer from ${MIN_ACK_WAIT_MS} to ${MAX_ACK_WAIT_MS}`,
    (value) => isInteger(value, MIN_ACK_WAIT_MS, MAX_ACK_WAIT_MS),
  ),
  drainMs: milliseconds,
  startTimeoutMs: milliseconds,
};

const workerRules: Rules<DeploymentOptions["workers"][number]> = {
  name,
  file: rule("a path or a file: URL", (value) => isText(value) || value instanceof URL && value.protocol === "file:"),
  runtime,
  count: rule(`an integer from 0 to ${mostWorkers}`, (value) => isInteger(value, 0, mostWorkers)),
  env: record,
  args: texts,
  operators: operatorNames,
  sidecar: rule("false or a name in sidecars", (value) => value === false || isText(value)),
};

const sidecarRules: Rules<DeploymentSidecar> = {
  budgetBytes: integer(1),
  segmentBytes: integer(4096),
  host: text,
  port,
  advertiseUrl: text,
  tokens: rule(
    "a list of strings of at least 16 characters",
    (value) => Array.isArray(value) && value.every((one) => typeof one === "string" && one.length >= 16),
  ),
  allowedOrigins: texts,
  ucx: rule("an object or false", (value) => value === false || isRecord(value)),
  sharedMemory: flag,
  limits: record,
  leaseMs: integer(1),
  env: record,
};

const brokerRules: Rules<Exclude<DeploymentOptions["broker"], false | undefined>> = {
  port,
  websocketPort: rule("a port from 0 to 65535, or false", (value) => value === false || port.holds(value)),
  allowedOrigins: texts,
  storage: oneOf("memory", "file"),
  dataDir: text,
  maxPayloadBytes: rule("an integer from 1024 to 67108864", (value) => isInteger(value, 1024, 64 * 2 ** 20)),
  maxMemoryBytes: integer(0),
  maxFileBytes: integer(0),
  binary: text,
};

const clientRules: Rules<DeploymentClient> = {
  operators: operatorNames,
  events: flag,
  password: rule("at least 16 characters", (value) => typeof value === "string" && value.length >= 16),
};

const restartRules: Rules<NonNullable<DeploymentOptions["restart"]>> = {
  maxRestarts: rule("an integer from 0, or Infinity", (value) => value === Infinity || integer(0).holds(value)),
  backoffMs: milliseconds,
  maxBackoffMs: milliseconds,
};

/** Why a deployment cannot be used. */
export function refusal(where: string, field: string, wanted: string, seen: unknown): ConnectError {
  return fault(`Cannot use the deployment ${where}: ${field} must be ${wanted}, got ${show(seen)}`, Code.InvalidArgument);
}

function show(value: unknown): string {
  if (value === undefined || typeof value === "number" || typeof value === "symbol") return String(value);
  if (typeof value === "function") return "a function";
  const json = jsonOf(value);
  return json.length > 120 ? `${json.slice(0, 117)}…` : json;
}

function jsonOf(value: unknown): string {
  const plain = (_: string, inner: unknown) =>
    typeof inner === "string" ? redactUrl(inner) : typeof inner === "bigint" ? `${inner}n` : inner;
  try {
    return JSON.stringify(value, plain) ?? String(value);
  } catch {
    // It holds itself.
    return `an object with the fields ${Object.keys(Object(value)).join(", ")}`;
  }
}

function checkFields(
  where: string,
  path: string,
  value: unknown,
  rules: Readonly<Record<string, Rule>>,
  required: string[],
): void {
  if (!isRecord(value)) throw refusal(where, path || "it", "an object", value);
  const at = (field: string) => path === "" ? field : `${path}.${field}`;
  for (const field of Object.keys(value)) {
    if (!Object.hasOwn(rules, field)) {
      const known = Object.keys(rules);
      const meant = nearest(field, known);
      const hint = meant === undefined ? `known are ${known.join(", ")}` : `did you mean ${at(meant)}?`;
      throw fault(`Cannot use the deployment ${where}: unknown field ${at(field)}, ${hint}`, Code.InvalidArgument);
    }
  }
  for (const [field, { wanted, holds }] of Object.entries(rules)) {
    const seen = value[field];
    if (seen === undefined ? required.includes(field) : !holds(seen)) {
      throw refusal(where, at(field), wanted, /token|password/i.test(field) ? Object.prototype.toString.call(seen) : seen);
    }
  }
}

/**
 * Checks one entry of a deployment's workers.
 *
 * @param field such as `workers[0]`
 * @throws {ConnectError} as {@linkcode checkDeployment}
 */
export function checkWorker(where: string, field: string, worker: DeploymentOptions["workers"][number]): void {
  checkFields(where, field, worker, workerRules, ["name", "file"]);
  checkVariables(where, `${field}.env`, worker.env);
}

function checkVariables(where: string, field: string, env: Readonly<Record<string, unknown>> = {}): void {
  for (const [variable, value] of Object.entries(env)) {
    if (typeof value !== "string") throw refusal(where, `${field}.${variable}`, "a string", value);
  }
}

/**
 * Checks what a deployment file says: it is read by people, and not every runtime checks its types.
 *
 * @param where the file, for messages
 * @throws {ConnectError} `invalid_argument` naming the file, the field, the value seen and the value wanted
 */
export function checkDeployment(where: string, options: DeploymentOptions): void {
  checkFields(where, "", options, deploymentRules, ["workers"]);
  const names = new Map<string, number>();
  for (const [index, worker] of options.workers.entries()) {
    checkWorker(where, `workers[${index}]`, worker);
    const first = names.get(worker.name);
    if (first !== undefined) {
      throw refusal(where, `workers[${index}].name`, `another one than workers[${first}]'s`, worker.name);
    }
    names.set(worker.name, index);
  }
  const { broker, servers, clients } = options;
  if (clients !== undefined) checkClients(where, clients, options);
  if (options.sidecars !== undefined) checkSidecars(where, options.sidecars);
  if (broker) checkFields(where, "broker", broker, brokerRules, []);
  if (options.restart !== undefined) checkFields(where, "restart", options.restart, restartRules, []);
  if (servers !== undefined) checkServers(where, servers);
  if (broker === false && servers === undefined) throw refusal(where, "servers", "given where broker is false", servers);
  if (broker && servers !== undefined) throw refusal(where, "servers", "left out where there is a broker to start", servers);
  if (broker && broker.storage === "memory" && broker.dataDir !== undefined) {
    throw refusal(where, "broker.storage", `"file" where there is a dataDir`, broker.storage);
  }
}

function checkSidecars(where: string, sidecars: Readonly<Record<string, DeploymentSidecar>>): void {
  for (const [key, sidecar] of Object.entries(sidecars)) {
    // It is a part of a socket's path, of which there is little.
    if (!/^[a-z0-9_-]{1,32}$/.test(key)) throw refusal(where, "a name in sidecars", "1 to 32 of a-z, 0-9, _ and -", key);
    checkFields(where, `sidecars.${key}`, sidecar, sidecarRules, []);
    checkVariables(where, `sidecars.${key}.env`, sidecar.env);
  }
}

function checkServers(where: string, servers: string | readonly string[]): void {
  try {
    parseBrokerUrls(servers);
  } catch (error) {
    // It names the one in the list, and hides credentials.
    const rule = ConnectError.from(error).rawMessage.replace(/^.*?: /, "").replace(/^(the URL|urls(?=\[))/, "servers");
    throw fault(`Cannot use the deployment ${where}: ${rule}`, Code.InvalidArgument);
  }
}

function checkClients(where: string, clients: Readonly<Record<string, unknown>>, { servers, token }: DeploymentOptions): void {
  if (servers !== undefined) {
    throw refusal(where, "clients", "left out where there is no broker to start", Object.keys(clients));
  }
  if (token !== undefined) {
    throw refusal(where, "clients", "left out where there is a token for everybody", Object.keys(clients));
  }
  for (const [key, client] of Object.entries(clients)) {
    if (!/^[a-z0-9_-]{1,32}$/.test(key)) throw refusal(where, "a name in clients", "1 to 32 of a-z, 0-9, _ and -", key);
    // A password must not be shown.
    if (isRecord(client) && typeof client.password === "string" && client.password.length < 16) {
      throw refusal(where, `clients.${key}.password`, "at least 16 characters", client.password.length);
    }
    checkFields(where, `clients.${key}`, client, clientRules, ["operators"]);
  }
}
