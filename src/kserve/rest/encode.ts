import { BYTE_SIZE_PARAMETER, DESCRIPTOR_PARAMETER, type InferParameters, isEncodedReference } from "../../tensor/mod.ts";
import type { WrittenOutput } from "../outputs.ts";
import { elementsToJson, objectToJson, parameterToJson } from "../json/write.ts";

/** What an answer is written from. */
export interface WrittenAnswer {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly parameters: Readonly<InferParameters>;
  readonly outputs: readonly WrittenOutput[];
}

/** A body, and how long its JSON is where bytes follow. */
export interface EncodedAnswer {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly jsonLength: number | undefined;
}

/**
 * Writes the answer of `infer`.
 *
 * @param binary whether outputs of which nothing is said come as bytes
 * @throws {ConnectError} `invalid_argument` for BYTES in JSON that are no UTF-8
 */
export function encodeAnswer(answer: WrittenAnswer, binary: boolean): EncodedAnswer {
  const tail: Uint8Array[] = [];
  let hasBinary = false;
  const outputs = answer.outputs.map((output) => {
    const { name, tensor, want, delivered } = output;
    let data: string | undefined;
    let parameters: InferParameters | undefined;
    if (isEncodedReference(tensor)) {
      parameters = { [DESCRIPTOR_PARAMETER]: tensor.descriptor, [BYTE_SIZE_PARAMETER]: tensor.byteSize };
    } else if (!delivered && (want?.binary ?? binary)) {
      hasBinary = true;
      parameters = { binary_data_size: tensor.byteLength };
      tail.push(tensor.bytes);
    } else if (!delivered) data = `[${elementsToJson(name, tensor, want).join(",")}]`;
    return objectToJson([
      ["name", JSON.stringify(name)],
      ["datatype", JSON.stringify(tensor.dtype)],
      ["shape", `[${tensor.shape}]`],
      ["parameters", parameters && parametersToJson(parameters)],
      ["data", data],
    ]);
  });
  const json = new TextEncoder().encode(objectToJson([...headToJson(answer), ["outputs", `[${outputs.join(",")}]`]]));
  if (!hasBinary) return { body: json, jsonLength: undefined };
  const body = new Uint8Array(tail.reduce((sum, { length }) => sum + length, json.length));
  body.set(json);
  let at = json.length;
  for (const bytes of tail) {
    body.set(bytes, at);
    at += bytes.length;
  }
  return { body, jsonLength: json.length };
}

/** What stands in front of the outputs. */
function headToJson({ id, model, version, parameters }: WrittenAnswer): [string, string | undefined][] {
  return [
    ["id", id === "" ? undefined : JSON.stringify(id)],
    ["model_name", JSON.stringify(model)],
    ["model_version", JSON.stringify(version)],
    ["parameters", Object.keys(parameters).length === 0 ? undefined : parametersToJson(parameters)],
  ];
}

function parametersToJson(parameters: Readonly<InferParameters>): string {
  return objectToJson(Object.entries(parameters).map(([name, value]) => [name, parameterToJson(value)] as const));
}

/** Writes an answer as `generate` does: one flat object, its members by name, outputs of one element without brackets. */
export function encodeGenerated(answer: WrittenAnswer): string {
  const members = headToJson(answer).filter(([key]) => key !== "parameters");
  for (const [name, value] of Object.entries(answer.parameters)) members.push([name, parameterToJson(value)]);
  for (const { name, tensor } of answer.outputs) {
    if (isEncodedReference(tensor)) {
      members.push([name, JSON.stringify({ [DESCRIPTOR_PARAMETER]: tensor.descriptor })]);
      continue;
    }
    const elements = elementsToJson(name, tensor);
    members.push([name, elements.length === 1 ? elements[0] : `[${elements.join(",")}]`]);
  }
  return objectToJson(members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
