/**
 * A Cloudflare Worker that runs the behaviours: `/request` connects for every request, `/object` uses the connection of a Durable
 * Object, which all requests to it share, `/node` connects straight to a node for every request.
 *
 * @module
 */
import { type Client, connect, type ConnectOptions, infoOf } from "../../../mod.ts";
import { behaviours, fetchBehaviours } from "../behaviours.ts";

interface Env {
  readonly BROKER_URL: string;
  /** Where a POST cuts the connections to the broker, and with `/node` those to the node. */
  readonly CUT_URL: string;
  readonly NODE_URL: string;
  readonly NODE_TOKEN: string;
  readonly CLIENTS: { idFromName(name: string): unknown; get(id: unknown): { fetch(request: Request): Promise<Response> } };
}

const options: ConnectOptions = { operatorWaitMs: 1_000, connectTimeoutMs: 2_000 };

/** A response, and when the client is no longer needed for it. */
interface Answer {
  readonly response: Response;
  readonly done?: Promise<void>;
}

async function run(request: Request, client: Client, env: Env): Promise<Answer> {
  const url = new URL(request.url);
  const what = url.searchParams.get("what") ?? "";
  if (url.pathname.endsWith("/ticks")) {
    return events(client.operator("ticks").stream({}, { signal: request.signal, parameters: { what } }));
  }
  if (url.pathname.endsWith("/noted")) {
    const outputs = await client.operator("noted").infer({}, { parameters: { what } });
    return { response: Response.json(infoOf(outputs)?.parameters) };
  }
  await behaviours.find(({ name }) => name === what)?.run(client, {
    connect: (to = env.BROKER_URL) => connect(to, options),
    cut: async () => void await (await fetch(env.CUT_URL, { method: "POST" })).text(),
  });
  return { response: Response.json({}) };
}

/** Straight to a node, by `fetch`. */
async function runAtNode(request: Request, env: Env): Promise<Response> {
  const what = new URL(request.url).searchParams.get("what") ?? "";
  const open = (to = env.NODE_URL) => connect(to, { token: env.NODE_TOKEN, connectTimeoutMs: 2_000 });
  const client = await open();
  try {
    await fetchBehaviours.find(({ name }) => name === what)?.run(client, {
      connect: open,
      cut: async () => void await (await fetch(`${env.CUT_URL}/node`, { method: "POST" })).text(),
    });
    return Response.json({});
  } finally {
    await client.close();
  }
}

/** Answers as server-sent events, and nothing that would collect them before they are sent. */
function events(answers: AsyncIterable<unknown>): Answer {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const event = new TextEncoder().encode("data: tick\n\n");
  const write = async () => {
    for await (const _ of answers) await writer.write(event);
    await writer.close();
  };
  const headers = { "content-type": "text/event-stream", "content-encoding": "identity" };
  return { response: new Response(readable, { headers }), done: write().catch(() => {}) };
}

function failure(error: unknown): Response {
  return Response.json({ error: error instanceof Error ? error.stack : String(error) }, { status: 500 });
}

/** Owns one connection for all its requests: a connection in a Worker's module scope would serve the first one alone. */
export class Clients {
  readonly #env: Env;
  #client: Promise<Client> | undefined;

  constructor(_state: unknown, env: Env) {
    this.#env = env;
  }

  async fetch(request: Request): Promise<Response> {
    try {
      return (await run(request, await (this.#client ??= connect(this.#env.BROKER_URL, options)), this.#env)).response;
    } catch (error) {
      return failure(error);
    }
  }
}

interface Context {
  waitUntil(promise: Promise<unknown>): void;
}

const worker: { fetch(request: Request, env: Env, context: Context): Promise<Response> } = {
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (pathname === "/node") return await runAtNode(request, env).catch(failure);
    if (pathname.startsWith("/object")) {
      return await env.CLIENTS.get(env.CLIENTS.idFromName("one")).fetch(request);
    }
    const client = await connect(env.BROKER_URL, options);
    try {
      const { response, done } = await run(request, client, env);
      context.waitUntil(Promise.resolve(done).finally(() => client.close()));
      return response;
    } catch (error) {
      await client.close();
      return failure(error);
    }
  },
};
export default worker;
