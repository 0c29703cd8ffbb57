import type { Logger } from "../bus/logger.ts";
import type { AccessKeys } from "./access.ts";
import { checkRequest } from "./check-request.ts";
import { Code, ConnectError } from "@connectrpc/connect";
import type {
  HostCallOptions,
  InputTensor,
  ModelAnswer,
  ModelControl,
  ModelFacts,
  ModelHost,
  ModelRequest,
  SharedMemory,
} from "./host.ts";
import type { OutputWant, WrittenOutput } from "./outputs.ts";
import { prepareOutputs } from "./outputs.ts";
import type { ServerSettings } from "./settings.ts";
import { memoryOf, type RegionPart } from "./shared-parts.ts";

/** What is served beside inference, over REST and gRPC alike. */
export interface ServingOptions {
  /** Who may do what. Default: everybody may do everything that is enabled. */
  keys?: AccessKeys;
  /** Whether clients may load and unload models, where the host can. Default `false`. */
  modelControl?: boolean;
  /** Memory that clients on this host may register and use: it lets them read and write what is in it. Default: none. */
  sharedMemory?: SharedMemory;
  /** Trace and log settings. Default: kept in memory, and acted on by nobody. */
  settings?: ServerSettings;
  /** Default: silent. */
  logger?: Logger;
}

/** An input, or where in the client's memory it is. */
export interface LocatedInput extends InputTensor {
  readonly region?: RegionPart;
}

/** A request with what must be done around the model. */
export interface Infer {
  readonly facts: ModelFacts;
  readonly request: ModelRequest & { readonly inputs: readonly LocatedInput[] };
  readonly wants: readonly OutputWant[];
}

/** An answer as it is to be written. */
export interface PreparedAnswer {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly parameters: ModelAnswer["parameters"];
  readonly outputs: readonly WrittenOutput[];
}

/** Checks requests, has the host answer them, and makes of the answers what the client wants. */
export class Serving {
  readonly host: ModelHost;
  readonly #memory: SharedMemory | undefined;
  readonly #control: boolean;

  constructor(host: ModelHost, { sharedMemory, modelControl = false }: ServingOptions) {
    this.host = host;
    this.#memory = sharedMemory;
    this.#control = modelControl;
  }

  /** What the server can do, by the protocol's names. */
  get extensions(): string[] {
    const extensions = ["classification", "sequence"];
    if (this.#control && this.host.control !== undefined) {
      extensions.push("model_repository", "model_repository(unload_dependents)");
    }
    extensions.push("model_configuration");
    if (this.#memory !== undefined) extensions.push("system_shared_memory");
    return [...extensions, "binary_tensor_data", "parameters", "statistics", "trace", "logging"];
  }

  /** Memory that clients share; throws where none is. */
  get memory(): SharedMemory {
    return memoryOf(this.#memory);
  }

  /** Loads and unloads; throws where that is not allowed. */
  get control(): ModelControl {
    const { control } = this.host;
    if (this.#control && control !== undefined) return control;
    throw new ConnectError("explicit model load / unload is not allowed if polling is enabled", Code.Unavailable);
  }

  /** The one answer of a model. */
  async infer({ facts, request, wants }: Infer, options: HostCallOptions): Promise<PreparedAnswer> {
    const checked = await this.#checked(facts, request);
    return await this.#prepared(facts, checked, wants, await this.host.infer(facts, checked, options));
  }

  /** The answers of a model; checked before the first is asked for. */
  async stream({ facts, request, wants }: Infer, options: HostCallOptions): Promise<AsyncGenerator<PreparedAnswer, void>> {
    const checked = await this.#checked(facts, request);
    return this.#answers(facts, checked, wants, options);
  }

  async *#answers(
    facts: ModelFacts,
    request: ModelRequest,
    wants: readonly OutputWant[],
    options: HostCallOptions,
  ): AsyncGenerator<PreparedAnswer, void> {
    if (!facts.decoupled) {
      yield await this.#prepared(facts, request, wants, await this.host.infer(facts, request, options));
      return;
    }
    for await (const answer of this.host.stream(facts, request, options)) {
      yield await this.#prepared(facts, request, wants, answer);
    }
  }

  async #prepared(
    facts: ModelFacts,
    request: ModelRequest,
    wants: readonly OutputWant[],
    answer: ModelAnswer,
  ): Promise<PreparedAnswer> {
    const outputs = await prepareOutputs(facts, answer, wants, this.#memory);
    return { model: facts.name, version: answer.version, id: request.id, parameters: answer.parameters, outputs };
  }

  async #checked(facts: ModelFacts, request: Infer["request"]): Promise<ModelRequest> {
    const inputs: InputTensor[] = [];
    for (const input of request.inputs) inputs.push(await this.#located(input));
    const located = { ...request, inputs };
    checkRequest(facts, located);
    return located;
  }

  async #located(input: LocatedInput): Promise<InputTensor> {
    if (input.region === undefined) return input;
    const { region, offset, byteSize } = input.region;
    return { ...input, bytes: await this.memory.read(region, offset, byteSize) };
  }
}
