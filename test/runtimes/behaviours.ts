/**
 * What a client does on every runtime, as functions of web APIs alone: Bun, Deno and Node run them as tests, and so do workerd and
 * a browser, which have no test runner.
 *
 * @module
 */
import { type Client, Code, errorDetail, infoOf, RemoteTensor, Tensor } from "../../mod.ts";
import { rejects, same, until } from "./check.ts";

/** Where a behaviour runs. */
export interface Site {
  /** Breaks the client's connections to the broker, as a network does. */
  cut(): Promise<void>;
  /** Another client, which the behaviour closes. */
  connect(url?: string): Promise<Client>;
}

/** One thing that a client does. */
export interface Behaviour {
  /** A sentence, the test's name. */
  readonly name: string;
  /** What the table of runtimes in the README calls it. */
  readonly feature: string;
  /** What the client has to be connected to. Default: a broker or a node, that is all one. */
  readonly to?: "broker" | "node";
  /** Whether inputs are streamed, which `fetch` cannot do. */
  readonly streamsInputs?: boolean;
  run(client: Client, site: Site): Promise<void>;
}

/** Where no broker listens: it is no port that programs are given. */
const nowhere = "ws://127.0.0.1:65535";

function key(): string {
  return crypto.randomUUID();
}

/** How often the worker has noted something. */
async function noted(client: Client, what: string): Promise<number> {
  const outputs = await client.operator("noted").infer({}, { mode: "direct", parameters: { what } });
  return Number(infoOf(outputs)?.parameters.count);
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251);
}

function total(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum + byte, 0);
}

const connects: Behaviour = {
  name: "lists the operators that are served, with their schemas",
  feature: "connect and discover",
  async run(client) {
    const count = (await client.operators()).find(({ name }) => name === "count");
    same("instances", count?.instances.length, 1);
    same("inputs", count?.inputs?.n?.dtype, "INT32");
  },
};

const refused: Behaviour = {
  name: "says unavailable when no broker answers",
  feature: "connect and discover",
  async run(_client, { connect }) {
    const error = await rejects("connecting", connect(nowhere), Code.Unavailable);
    same("the message names the URL", error.message.includes(nowhere), true);
  },
};

const infers: Behaviour = {
  name: "infers through the queue and directly, with parameters and every kind of element",
  feature: "infer",
  async run(client) {
    const inputs = {
      ints: Tensor.from("INT64", [1n, -2n, 2n ** 60n]),
      halves: Tensor.from("FP16", [0.5, -1.25]),
      texts: Tensor.from("BYTES", ["a\0b", "žluťoučký"]),
      none: Tensor.from("FP32", [], [0, 3]),
    };
    for (const mode of ["queue", "direct"] as const) {
      const outputs = await client.operator("echo").infer(inputs, {
        mode,
        id: "my-id",
        parameters: { big: 2n ** 63n, yes: true },
      });
      same("ints", [...(await outputs.ints!.fetch()).data as BigInt64Array], [1n, -2n, 2n ** 60n]);
      same("halves", (await outputs.halves!.fetch()).toNumbers(), [0.5, -1.25]);
      same("texts", (await outputs.texts!.fetch()).strings(), ["a\0b", "žluťoučký"]);
      same("shape", outputs.none?.shape, [0, 3]);
      same("parameters", infoOf(outputs)?.parameters, { big: 2n ** 63n, yes: true });
      same("id", infoOf(outputs)?.id, "my-id");
    }
  },
};

const many: Behaviour = {
  name: "has 30 calls under way at once",
  feature: "infer",
  async run(client) {
    const echo = client.operator("echo");
    const sums = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const { x } = await echo.infer({ x: new Int32Array(1024).fill(index) });
        return (await x!.fetch()).toNumbers().reduce((sum, value) => sum + value, 0);
      }),
    );
    same("answers", sums, sums.map((_, index) => index * 1024));
  },
};

const streams: Behaviour = {
  name: "streams answers in order, and stops the operator by leaving the loop",
  feature: "stream",
  async run(client) {
    const seen: number[] = [];
    for await (const { x } of client.operator("count").stream({ n: Int32Array.of(100) })) {
      seen.push(...(await x!.fetch()).toNumbers());
    }
    same("items", seen, Array.from({ length: 100 }, (_, index) => index));
    const what = key();
    for await (const _ of client.operator("ticks").stream({}, { parameters: { what } })) break;
    await until("the operator has stopped", async () => await noted(client, `${what} stopped`) === 1);
  },
};

const converses: Behaviour = {
  name: "streams inputs as fast as they are taken, and may make each of the answer before it",
  feature: "stream",
  streamsInputs: true,
  async run(client) {
    const echo = client.operator("echo");
    const inputs = async function* () {
      for (let i = 0; i < 200; i++) yield { x: Int32Array.of(i) };
    };
    const seen: number[] = [];
    for await (const { x } of echo.stream(inputs(), { mode: "direct" })) seen.push(...(await x!.fetch()).toNumbers());
    same("answers", seen, Array.from({ length: 200 }, (_, index) => index));
    let answered = Promise.withResolvers<number>();
    const talk = async function* () {
      for (let n = 1; n < 20; n = await answered.promise, answered = Promise.withResolvers()) yield { x: Int32Array.of(n * 3) };
    };
    const heard: number[] = [];
    for await (const { x } of echo.stream(talk())) {
      heard.push(...(await x!.fetch()).toNumbers());
      answered.resolve(heard.at(-1) as number);
    }
    same("conversation", heard, [3, 9, 27]);
  },
};

const posts: Behaviour = {
  name: "posts a request that nobody answers",
  feature: "post",
  async run(client) {
    const what = key();
    await client.operator("note").post({}, { parameters: { what } });
    await until("the operator has noted it", async () => await noted(client, what) === 1);
  },
};

const reads: Behaviour = {
  name: "reads what an operator left where it is, over HTTP and over the bus, and passes it on unread",
  feature: "by reference",
  async run(client) {
    for (const way of ["http", "bus"] as const) {
      const { x } = await client.operator("remote").infer({ n: Int32Array.of(300_000) });
      if (!(x instanceof RemoteTensor)) throw new Error(`A remote tensor is wanted, got ${x}`);
      same(`bytes over ${way}`, (await x.fetch({ via: [way] })).bytes.every((byte, at) => byte === at % 251), true);
      same("way", x.way, way);
      const { sum } = await client.operator("sum").infer({ x });
      same("sum of what was passed on", (await sum!.fetch()).toNumbers(), [total(pattern(300_000))]);
      await x.release();
    }
  },
};

const uploads: Behaviour = {
  name: "sends an input that fits no message",
  feature: "by reference",
  async run(client) {
    const bytes = pattern(1_500_000);
    const { sum } = await client.operator("sum").infer({ x: bytes });
    same("sum", (await sum!.fetch()).toNumbers(), [total(bytes)]);
  },
};

const cancels: Behaviour = {
  name: "cancels a running call, and the operator is told",
  feature: "cancel",
  async run(client) {
    const what = key();
    const abort = new AbortController();
    const call = client.operator("wait").infer({}, { signal: abort.signal, parameters: { what } });
    call.catch(() => {});
    await until("the operator runs", async () => await noted(client, `${what} started`) === 1);
    abort.abort();
    await rejects("the call", call, Code.Canceled);
    await until("the operator was told", async () => await noted(client, `${what} stopped`) === 1);
  },
};

const timesOut: Behaviour = {
  name: "gives up when its time is over, and the operator is told",
  feature: "timeout",
  async run(client) {
    const what = key();
    const call = client.operator("wait").infer({}, { timeoutMs: 400, parameters: { what } });
    await rejects("the call", call, Code.DeadlineExceeded);
    await until(
      "the operator was told",
      async () => await noted(client, `${what} stopped`) >= await noted(client, `${what} started`),
    );
  },
};

const fails: Behaviour = {
  name: "gets errors with their code, message and details",
  feature: "typed errors",
  async run(client) {
    const cold = await rejects("a typed error", client.operator("fail").infer({}), Code.FailedPrecondition);
    same("message", cold.rawMessage, "Cannot serve: the tea is cold");
    const broken = await rejects("any other error", client.operator("break").infer({}), Code.Unknown);
    same("message", broken.rawMessage, `Operator "break" failed: The pot is broken`);
    same("reason", errorDetail(broken)?.reason, "OPERATOR_FAILED");
    same("operator", errorDetail(broken)?.operator, "break");
    await rejects("an unknown operator", client.operator(key()).infer({}, { mode: "direct" }), Code.NotFound);
    await rejects("a wrong input", client.operator("count").infer({ n: new Float32Array(1) }), Code.InvalidArgument);
  },
};

const reconnects: Behaviour = {
  name: "reconnects after a loss, and still gets the answer that was under way",
  feature: "reconnect",
  to: "broker",
  async run(client, { cut }) {
    const what = key();
    const call = client.operator("pause").infer({ ms: Int32Array.of(1_500), x: Int32Array.of(7) }, { parameters: { what } });
    call.catch(() => {});
    await until("the operator runs", async () => await noted(client, `${what} started`) === 1);
    await cut();
    same("the answer", (await (await call).x!.fetch()).toNumbers(), [7]);
    const { x } = await client.operator("echo").infer({ x: Int32Array.of(8) });
    same("the next answer", (await x!.fetch()).toNumbers(), [8]);
  },
};

const tells: Behaviour = {
  name: "hears the events of its topic from others, and no more after it left",
  feature: "events",
  to: "broker",
  async run(client, { connect }) {
    const other = await connect();
    try {
      const topic = ["runtimes", key()];
      const subscription = await client.events.subscribe(topic);
      const sent = await other.events.publish([...topic, "below"], { n: 1 });
      await other.events.publish("elsewhere", 2);
      for await (const event of subscription) {
        same("the id", event.id, sent.id);
        same("the payload", event.json<{ n: number }>().n, 1);
        break;
      }
      const ended = await subscription.ended;
      same("how it ended", ended, undefined);
    } finally {
      await other.close();
    }
  },
};

const breaks: Behaviour = {
  name: "says unavailable when the connection breaks under a call, and makes the next one over a new one",
  feature: "reconnect",
  to: "node",
  async run(client, { cut }) {
    const what = key();
    const call = client.operator("wait").infer({}, { parameters: { what } });
    call.catch(() => {});
    await until("the operator runs", async () => await noted(client, `${what} started`) === 1);
    await cut();
    const error = await rejects("the call", call, Code.Unavailable);
    same("reason", errorDetail(error)?.reason, "OUTCOME_UNKNOWN");
    const { x } = await client.operator("echo").infer({ x: Int32Array.of(8) });
    same("the next answer", (await x!.fetch()).toNumbers(), [8]);
    await until("the operator was told", async () => await noted(client, `${what} stopped`) === 1);
  },
};

const breaksOff: Behaviour = {
  name: "says unavailable when the connection breaks under a stream, and the operator is told",
  feature: "reconnect",
  to: "node",
  async run(client, { cut }) {
    const what = key();
    const answers = client.operator("ticks").stream({}, { parameters: { what } });
    await answers.next();
    await cut();
    const rest = async () => {
      for await (const _ of answers);
    };
    const error = await rejects("the stream", rest(), Code.Unavailable);
    same("reason", errorDetail(error)?.reason, "OUTCOME_UNKNOWN");
    await until("the operator was told", async () => await noted(client, `${what} stopped`) === 1);
  },
};

const repeats: Behaviour = {
  name: "repeats an idempotent call whose connection broke",
  feature: "reconnect",
  to: "node",
  async run(client, { cut }) {
    const what = key();
    const options = { parameters: { what }, idempotent: true };
    const call = client.operator("pause").infer({ ms: Int32Array.of(1_000), x: Int32Array.of(7) }, options);
    call.catch(() => {});
    await until("the operator runs", async () => await noted(client, `${what} started`) === 1);
    await cut();
    same("the answer", (await (await call).x!.fetch()).toNumbers(), [7]);
    same("executions", await noted(client, `${what} started`), 2);
  },
};

const needsBroker: Behaviour = {
  name: "says failed_precondition of what needs a broker",
  feature: "typed errors",
  to: "node",
  async run(client) {
    const refusals: Record<string, () => Promise<unknown>> = {
      events: async () => await client.events.publish("topic", 1),
      bus: () => Promise.resolve(client.bus),
      declare: () => client.declare("later"),
      serveTensors: () => client.serveTensors(),
    };
    for (const [what, refused] of Object.entries(refusals)) {
      const error = await rejects(what, (async () => await refused())(), Code.FailedPrecondition);
      same("reason", errorDetail(error)?.reason, "NO_BROKER");
      same("the message names what is needed", error.message.includes("connection to the broker"), true);
    }
  },
};

const all: readonly Behaviour[] = [
  connects,
  refused,
  infers,
  many,
  streams,
  converses,
  posts,
  reads,
  uploads,
  cancels,
  timesOut,
  fails,
  tells,
  reconnects,
  breaks,
  breaksOff,
  repeats,
  needsBroker,
];

/** What a client does that is connected to a broker. */
export const behaviours: readonly Behaviour[] = all.filter(({ to }) => to !== "node");

/** What a client does that is connected straight to a node. */
export const nodeBehaviours: readonly Behaviour[] = all.filter(({ to }) => to !== "broker");

/** The same where there is `fetch` alone. */
export const fetchBehaviours: readonly Behaviour[] = [
  ...nodeBehaviours.filter(({ streamsInputs }) => streamsInputs !== true),
  {
    name: "says failed_precondition of what fetch cannot do",
    feature: "typed errors",
    async run(client) {
      const inputs = async function* () {
        yield { x: Int32Array.of(1) };
      };
      const error = await rejects("streaming inputs", client.operator("echo").stream(inputs()).next(), Code.FailedPrecondition);
      same("the message says why", error.message.includes("fetch sends no streams"), true);
    },
  },
];
