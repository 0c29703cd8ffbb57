import { Code, ConnectError } from "@connectrpc/connect";
import { isWorkerDefinition, type Operator, operator } from "../../worker/mod.ts";
import { loadModule } from "../load-default.ts";
import type { OperatorFlag } from "./operator-flag.ts";

/** The operators that flags name, out of their modules: what a module exports, and what the worker that it defines has. */
export async function loadOperators(flags: readonly OperatorFlag[]): Promise<Operator[]> {
  const operators: Operator[] = [];
  for (const flag of flags) operators.push(await loadOperator(flag));
  return operators;
}

async function loadOperator({ name, module, properties }: OperatorFlag): Promise<Operator> {
  const { exports } = await loadModule(module, "module");
  const defined = Object.values(exports).flatMap((value) =>
    isWorkerDefinition(value) ? [...value.options.operators] : isOperator(value) ? [value] : []
  );
  const found = defined.find((candidate) => candidate.name === name);
  if (found === undefined) {
    const names = [...new Set(defined.map((candidate) => `"${candidate.name}"`))].join(", ") || "none";
    throw new ConnectError(
      `Cannot run operator "${name}": the module "${module}" must export it, its operators are ${names}`,
      Code.NotFound,
    );
  }
  // Made anew, so that what was said is checked as what is written in a module.
  return properties.length === 0 ? found : operator({ ...found, ...Object.fromEntries(properties) } as never);
}

function isOperator(value: unknown): value is Operator {
  const { name, execute, maxInflight } = (typeof value === "object" && value !== null ? value : {}) as Partial<Operator>;
  return typeof name === "string" && typeof execute === "function" && typeof maxInflight === "number";
}
