import type { LocalLogins } from "../../bus/local-login-node.ts";
import type { Guard } from "../broker/guard.ts";
import type { DeploymentEvent } from "../events.ts";
import type { BrokerPlan, DeploymentPlan } from "../plan.ts";
import { SupervisedBroker } from "../supervised-broker.ts";
import { brokerAccounts } from "./accounts.ts";
import { DeploymentLogins } from "./logins.ts";

/** What starting a deployment's own broker needs of it. */
export interface OwnBrokerOptions {
  /** Where this user's programs are told who to be, and what with it. */
  readonly told: { readonly file: string } & Pick<LocalLogins, "deployment" | "startedAtMs">;
  readonly guard: Guard;
  readonly emit: (event: DeploymentEvent) => void;
  readonly signal: AbortSignal;
}

/**
 * Starts a deployment's own broker with users of its own, unless a token is all that it shall ask for. Local programs are told who
 * to be before it listens, so that those that wait for it are never refused.
 */
export async function startOwnBroker(
  plan: DeploymentPlan,
  broker: BrokerPlan,
  { told: { file, ...facts }, ...options }: OwnBrokerOptions,
): Promise<{ readonly broker: SupervisedBroker; readonly logins: DeploymentLogins | undefined }> {
  if (plan.token !== undefined) {
    return { broker: await SupervisedBroker.start(plan, broker, { ...options, accounts: undefined }), logins: undefined };
  }
  const logins = new DeploymentLogins(plan.components, plan.clients, plan.sidecars.map(({ node }) => node));
  const ports = [broker.port, broker.websocketPort].filter((port) => port !== 0 && port !== false);
  await logins.tell(file, { ...facts, urls: ports.map((port) => `nats://127.0.0.1:${port}`) });
  const accounts = brokerAccounts(plan.namespace, logins);
  const started = await SupervisedBroker.start(plan, broker, { ...options, accounts });
  await logins.tell(file, { ...facts, urls: started.urls });
  return { broker: started, logins };
}
