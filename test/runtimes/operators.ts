import { Code, ConnectError } from "../../mod.ts";
import { type Operator, operator, type OperatorContext } from "../../src/worker/mod.ts";

const counts = new Map<string, number>();

function note(what: unknown): void {
  counts.set(String(what), (counts.get(String(what)) ?? 0) + 1);
}

/** Waits until the caller is gone, or for `ms`. */
function aborted({ signal }: OperatorContext, ms: number = 30_000): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

const echo = operator({
  name: "echo",
  maxInflight: 16,
  execute({ inputs, parameters }, { responseParameters }) {
    Object.assign(responseParameters, parameters);
    return inputs;
  },
});

const count = operator({
  name: "count",
  inputs: { n: { dtype: "INT32", shape: [1] } },
  async *execute({ inputs: { n } }) {
    for (let x = 0; x < n.data[0]!; x++) yield { x: Int32Array.of(x) };
  },
});

const ticks = operator({
  name: "ticks",
  async *execute({ parameters }, context) {
    for (let x = 0; !context.signal.aborted; x++) {
      yield { x: Int32Array.of(x) };
      await aborted(context, 20);
    }
    note(`${parameters.what} stopped`);
  },
});

const wait = operator({
  name: "wait",
  async execute({ parameters }, context) {
    note(`${parameters.what} started`);
    await aborted(context);
    note(`${parameters.what} stopped`);
    return {};
  },
});

const pause = operator({
  name: "pause",
  async execute({ inputs, parameters }, context) {
    note(`${parameters.what} started`);
    await aborted(context, Number(inputs.ms?.toNumbers()[0]));
    return { x: inputs.x };
  },
});

const noteOperator = operator({ name: "note", execute: ({ parameters }) => (note(parameters.what), {}) });

const noted = operator({
  name: "noted",
  execute({ parameters }, { responseParameters }) {
    responseParameters.count = counts.get(String(parameters.what)) ?? 0;
    return {};
  },
});

const fail = operator({
  name: "fail",
  execute() {
    throw new ConnectError("Cannot serve: the tea is cold", Code.FailedPrecondition);
  },
});

const breaks = operator({
  name: "break",
  execute() {
    throw new Error("The pot is broken");
  },
});

const remote = operator({
  name: "remote",
  inline: false,
  execute: ({ inputs: { n } }) => ({ x: Uint8Array.from({ length: Number(n?.toNumbers()[0]) }, (_, index) => index % 251) }),
});

const sum = operator({
  name: "sum",
  execute: ({ inputs: { x } }) => ({ sum: Float64Array.of((x?.data as Uint8Array).reduce((total, byte) => total + byte, 0)) }),
});

/** What the behaviours call. */
export const operators: readonly Operator[] = [
  echo,
  count,
  ticks,
  wait,
  pause,
  noteOperator,
  noted,
  fail,
  breaks,
  remote,
  sum,
];
