import { isEncodedReference, type MessageTensor, type Tensor } from "../tensor/mod.ts";
import { Code, ConnectError } from "@connectrpc/connect";
import { classify } from "./classification.ts";
import type { ModelAnswer, ModelFacts, SharedMemory } from "./host.ts";
import { memoryOf, type RegionPart } from "./shared-parts.ts";

/** How a client wants one output. */
export interface OutputWant {
  readonly name: string;
  /** As bytes behind the JSON. Default: as the request says of all outputs. Of no meaning over gRPC. */
  readonly binary?: boolean;
  /** As its largest values: how many. Default 0: as it is. */
  readonly classes?: number;
  /** BYTES in JSON as Base64. Default `false`. */
  readonly base64?: boolean;
  /** Into memory that the client registered. Default: into the answer. */
  readonly region?: RegionPart;
}

/** An output as it is to be written. */
export interface WrittenOutput {
  readonly name: string;
  readonly tensor: MessageTensor;
  readonly want: OutputWant | undefined;
  /** Whether its bytes are in the client's memory already. */
  readonly delivered: boolean;
}

/** The outputs of an answer that are wanted, as they are wanted: classified, or put into the client's memory. */
export async function prepareOutputs(
  facts: ModelFacts,
  answer: ModelAnswer,
  wants: readonly OutputWant[],
  memory: SharedMemory | undefined,
): Promise<WrittenOutput[]> {
  const written: WrittenOutput[] = [];
  for (const [name, given] of answer.outputs) {
    const want = wants.find((one) => one.name === name);
    if (want === undefined && wants.length > 0) continue;
    let tensor = given;
    if (want?.classes && !isEncodedReference(tensor)) {
      const labels = facts.outputs?.find((output) => output.name === name)?.labels;
      tensor = classify(name, tensor, want.classes, { batched: facts.maxBatchSize > 0, labels });
    }
    const { region } = want ?? {};
    if (region !== undefined) await putInto(memory, region, name, tensor);
    written.push({ name, tensor, want, delivered: region !== undefined });
  }
  return written;
}

async function putInto(
  memory: SharedMemory | undefined,
  { region, offset, byteSize }: RegionPart,
  name: string,
  tensor: MessageTensor,
): Promise<void> {
  const { bytes } = tensor as Tensor;
  if (bytes.length > byteSize) {
    throw new ConnectError(
      `shared memory size specified with the request for output '${name}' (${byteSize} bytes) ` +
        `should be at least ${bytes.length} bytes to hold the results`,
      Code.Internal,
    );
  }
  await memoryOf(memory).write(region, offset, bytes);
}
