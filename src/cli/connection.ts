import process from "node:process";
import { DEFAULT_TCP_URL } from "../bus/defaults.ts";
import type { Client } from "../client/client.ts";
import { connect } from "../client/connect.ts";
import { runningDeployments } from "../deployment/mod.ts";

/** The flags of commands that connect, for {@linkcode withClient}. */
export const connectionArgs: {
  readonly url: { readonly type: "string"; readonly description: string };
  readonly namespace: { readonly type: "string"; readonly description: string };
} = {
  url: { type: "string", description: "Broker URLs (default: WAYBILL_URL, else the one deployment that runs here)" },
  namespace: { type: "string", description: "The deployment's namespace (default: WAYBILL_NAMESPACE, else that deployment's)" },
};

interface Place {
  readonly servers: readonly string[];
  readonly namespace: string | undefined;
}

async function placeOf(url: string | undefined, namespace: string | undefined): Promise<Place> {
  if (url !== undefined) return { servers: url.split(","), namespace };
  const running = (await runningDeployments()).flatMap(({ status }) => status === undefined ? [] : [status])
    .filter((status) => namespace === undefined || status.namespace === namespace);
  const [one, ...others] = running;
  if (one === undefined || others.length > 0) return { servers: [DEFAULT_TCP_URL], namespace };
  return { servers: one.urls.slice(0, 1), namespace: one.namespace };
}

/**
 * Connects with what the flags, the environment (`WAYBILL_URL`, `WAYBILL_NAMESPACE`, `WAYBILL_TOKEN`, `WAYBILL_USER`,
 * `WAYBILL_PASSWORD`) or the one running deployment say, and closes the connection after the work.
 */
export async function withClient<T>(
  args: { readonly url?: string; readonly namespace?: string },
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { env } = process;
  const { servers, namespace } = await placeOf(args.url ?? env.WAYBILL_URL, args.namespace ?? env.WAYBILL_NAMESPACE);
  const { WAYBILL_TOKEN: token, WAYBILL_USER: user, WAYBILL_PASSWORD: password } = env;
  const local = { role: "supervisor" } as const;
  const client = await connect(servers, { namespace, token, user, password, local, name: "waybill-cli" });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
