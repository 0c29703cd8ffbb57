import { Code, ConnectError } from "@connectrpc/connect";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { issuesText } from "../rpc/schema-issues.ts";
import { checkTensors, type TensorSpecs } from "../tensor/mod.ts";
import type { AnyTensor } from "./values.ts";

/** What tensors must look like: specs by name (`{ x: { dtype: "FP32", shape: [-1, 3] } }`), or a schema of any Standard Schema library. */
export type TensorSchema = TensorSpecs | StandardSchemaV1<unknown, Record<string, AnyTensor>>;

/** Whether a schema is a Standard Schema rather than specs. */
export function isStandardSchema(schema: TensorSchema): schema is StandardSchemaV1<unknown, Record<string, AnyTensor>> {
  return "~standard" in schema && typeof schema["~standard"] === "object" && "validate" in schema["~standard"];
}

/**
 * Checks tensors. A Standard Schema sees them by name, as objects with `dtype` and `shape`; what it transforms is ignored.
 *
 * @param label whose they are: `the inputs of operator "encoder"`
 * @throws {ConnectError} `invalid_argument` naming the tensor, what was seen and what was wanted
 */
export function checkSchema(label: string, schema: TensorSchema, tensors: Record<string, AnyTensor>): void | Promise<void> {
  if (!isStandardSchema(schema)) return checkTensors(label, schema, tensors);
  const result = schema["~standard"].validate(tensors);
  if (result instanceof Promise) return result.then((settled) => refuseIssues(label, settled));
  refuseIssues(label, result);
}

function refuseIssues(label: string, result: StandardSchemaV1.Result<unknown>): void {
  if (result.issues === undefined) return;
  throw new ConnectError(`Cannot use ${label}: ${issuesText(result.issues)}`, Code.InvalidArgument);
}
