import { create, type JsonObject } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { OperatorDeclarationSchema } from "../../gen/waybill/v1/discovery_pb.ts";
import type { Bus } from "../bus/bus.ts";
import { type Logger, silentLogger } from "../bus/logger.ts";
import { DataPlane, type PutTensorOptions } from "../data/data-plane.ts";
import type { RemoteTensor } from "../data/remote-tensor.ts";
import type { Discovery } from "../discovery/discovery.ts";
import { Events } from "../events/events.ts";
import type { Caller } from "../rpc/caller.ts";
import { declareQueue } from "../rpc/queue/declare-queue.ts";
import { MemoryStore } from "../rpc/queue/memory-store.ts";
import type { ClientObserver } from "../telemetry/observer.ts";
import type { Tensor, TensorSpecs } from "../tensor/mod.ts";
import { Waybill } from "../waybill/mod.ts";
import { Catalog, factsOf } from "./catalog.ts";
import type { Link } from "./link.ts";
import { type HandleOptions, OperatorHandle } from "./operator-handle.ts";
import { type ServedTensors, serveTensors, type ServeTensorsOptions } from "./serve-tensors.ts";
import { upload } from "./upload.ts";
import type { InferInputs, InferOutputs } from "./values.ts";

/** How a client behaves, whatever carries it. */
export interface ClientOptions {
  /** The deployment's namespace. Default `"default"`. */
  namespace?: string;
  /** This client's id on the bus; a broker may grant it `wb.<namespace>.r.<callerId>.>` alone. Default: random, after the user's name where that begins with `wb-`. */
  callerId?: string;
  /** Who the events that it publishes are from. Default: its caller id. */
  component?: string;
  /** Largest tensor that goes into a message without being asked to. Default: as much as the broker's messages hold. */
  inlineMaxBytes?: number;
  /** How long a request may find nobody to take it. Default 5,000 ms. */
  operatorWaitMs?: number;
  /** Most bytes that calls have on their way at once. Default 16 MiB. */
  windowBytes?: number;
  /** Connect interceptors around every call. Default none. */
  interceptors?: Interceptor[];
  /** Makes spans of calls and fetches: {@linkcode openTelemetry}, of `waybill/tracing`. Default: none are made. */
  tracing?: ClientObserver;
  /** Counts calls and fetches: {@linkcode clientMetrics}, of `waybill/metrics`. Default: nothing is counted. */
  metrics?: ClientObserver;
  /** Default: silent. */
  logger?: Logger;
}

/** What a queue is declared to be. What is left out stays as it was declared before. */
export interface DeclareOptions {
  /** Versions that requests may ask for; the highest one is the default. Default `["1"]`. */
  versions?: readonly string[];
  /** Deliveries of a request before it is given up. Default 3. */
  maxAttempts?: number;
  /** How long a worker may be silent about a request until another one gets it. Default 5,000 ms. */
  ackWaitMs?: number;
  /** Priority levels. Default 1: none. */
  priorities?: number;
  /** Where the queue is kept: `"memory"` outlives workers, `"file"` also the broker. Default `"memory"`. */
  storage?: "memory" | "file";
  /** Most requests in the queue; more are refused. Default 100,000. */
  maxQueuedMessages?: number;
  /** Most bytes in the queue. Default 64 MiB, which the broker sets aside. */
  maxQueuedBytes?: number;
  /** How long a request may stay in the queue. Default 24 h. */
  maxQueuedAgeMs?: number;
}

/** An operator as discovery lists it. */
export interface OperatorInfo {
  /** What it is called by. */
  readonly name: string;
  /** Versions that requests may ask for. */
  readonly versions: readonly string[];
  /** The version that a request without one means. */
  readonly defaultVersion: string;
  /** Instances that serve it now. */
  readonly instances: readonly {
    readonly id: string;
    readonly name: string;
    readonly version: string;
    readonly runtime: string;
  }[];
  /** What it takes, where an instance says so. */
  readonly inputs: TensorSpecs | undefined;
  /** What it gives, where an instance says so. */
  readonly outputs: TensorSpecs | undefined;
  /** Whether running a request twice is harmless. */
  readonly idempotent: boolean;
}

/** A connection to a deployment: finds operators, calls them, reads and keeps tensors. {@linkcode connect} makes one. */
export class Client implements AsyncDisposable {
  /**
   * Reads, shares and releases remote tensors.
   *
   * @internal
   */
  readonly data: DataPlane;
  readonly #link: Link;
  readonly #catalog: Catalog;
  readonly #options: ClientOptions;
  readonly #logger: Logger;
  readonly #observers: readonly ClientObserver[];
  #served: ServedTensors | undefined;
  #put: ((tensor: Tensor, options: PutTensorOptions) => Promise<Waybill>) | undefined;
  #events: Events | undefined;

  /** @internal */
  constructor(link: Link, options: ClientOptions) {
    this.#link = link;
    this.#options = options;
    this.#logger = options.logger ?? silentLogger;
    this.#observers = [options.metrics, options.tracing].filter((observer) => observer !== undefined);
    this.data = new DataPlane({ nodes: link.nodes, logger: this.#logger, observers: this.#observers });
    this.#catalog = new Catalog(link.discovery, this.#logger);
  }

  /**
   * The connection to the broker: tells whether it is up, and what happens to it.
   *
   * @throws {ConnectError} `failed_precondition` of a client that is connected straight to a node
   */
  get bus(): Bus {
    return this.#link.bus;
  }

  /**
   * Who serves what.
   *
   * @internal
   */
  get discovery(): Discovery {
    return this.#link.discovery;
  }

  /**
   * The calling half of the connection to a broker; for Connect transports to other services.
   *
   * @internal
   */
  get caller(): Caller {
    return this.#link.caller;
  }

  /** The deployment's namespace. */
  get namespace(): string {
    return this.#link.namespace;
  }

  /**
   * A handle to call an operator with. Nothing is asked of anybody yet.
   *
   * @typeParam I inputs by name
   * @typeParam O outputs by name
   */
  operator<I extends InferInputs = InferInputs, O = InferOutputs>(
    name: string,
    options: HandleOptions = {},
  ): OperatorHandle<I, O> {
    return this.linkedOperator<I, O>(name, options);
  }

  /**
   * The same, and `onRemote` is told of every remote tensor that is answered: whoever links calls also cleans up after them.
   *
   * @internal
   */
  linkedOperator<I extends InferInputs = InferInputs, O = InferOutputs>(
    name: string,
    options: HandleOptions,
    onRemote?: (tensor: RemoteTensor) => void,
  ): OperatorHandle<I, O> {
    return new OperatorHandle<I, O>(
      {
        onRemote,
        link: this.#link,
        data: this.data,
        interceptors: this.#options.interceptors ?? [],
        observers: this.#observers,
        inlineMaxBytes: this.#options.inlineMaxBytes ?? Infinity,
        facts: (operator, version) => this.#catalog.facts(operator, version),
        store: (tensor, call) => this.#store(tensor, call),
        discard: (stored) => stored.forEach((waybill) => void this.data.release(waybill)),
      },
      name,
      options,
    );
  }

  /** Tells others what happened, and hears of it. */
  get events(): Events {
    return this.#events ??= new Events({
      bus: this.bus,
      subjects: this.caller.subjects,
      component: this.#options.component ?? this.bus.owner ?? this.caller.id,
      logger: this.#logger,
    });
  }

  /** Lists declared operators, with who serves them and their schemas. */
  async operators(options: { signal?: AbortSignal; timeoutMs?: number } = {}): Promise<OperatorInfo[]> {
    const [declarations, instances] = await Promise.all([
      this.discovery.declarations(options),
      this.discovery.instances({}, options),
    ]);
    return declarations.map(({ name, versions, defaultVersion }) => {
      const serving = instances.flatMap((instance) =>
        instance.operators.filter((served) => served.name === name).map((served) => ({ instance, served }))
      );
      const shown = serving.find(({ served }) => served.version === defaultVersion) ?? serving[0];
      const facts = shown === undefined ? undefined : factsOf(shown.served);
      return {
        name,
        versions,
        defaultVersion,
        instances: serving.map(({ instance, served }) => ({
          id: instance.instance,
          name: instance.name,
          version: served.version,
          runtime: instance.runtime,
        })),
        inputs: facts?.inputs,
        outputs: facts?.outputs,
        idempotent: facts?.idempotent ?? false,
      };
    });
  }

  /**
   * Makes an operator's queue before any worker serves it, where the broker permits that: requests then wait there.
   *
   * @throws {ConnectError} `permission_denied` when the broker refuses
   */
  async declare(name: string, options: DeclareOptions = {}): Promise<void> {
    const { maxQueuedMessages = 0, maxQueuedBytes = 0, maxQueuedAgeMs = 0 } = options;
    const wanted = create(OperatorDeclarationSchema, {
      ...options,
      name,
      versions: [...options.versions ?? ["1"]],
      maxQueuedMessages: BigInt(maxQueuedMessages),
      maxQueuedBytes: BigInt(maxQueuedBytes),
      maxQueuedAgeMs: BigInt(maxQueuedAgeMs),
    });
    const declared = await this.discovery.declare(wanted);
    if (this.bus.canStore) await declareQueue(this.bus, this.caller.subjects, declared);
    else await MemoryStore.over(this.bus, this.caller.subjects).declare(declared);
  }

  /**
   * Keeps a tensor on a node and describes it: in this process once {@linkcode serveTensors} was called, else in the store
   * of a node that discovery finds.
   *
   * @param options `once` makes it an input of one request: its lease ends once a worker has acknowledged that, even if it was
   * executed more than once
   */
  async put(tensor: Tensor, options: PutTensorOptions = {}): Promise<RemoteTensor> {
    return this.data.open(await this.#store(tensor, options));
  }

  /** A waybill that someone passed on, as an object, JSON or its string: a tensor to read or to forward. */
  open(waybill: Waybill | string | JsonObject): RemoteTensor {
    return typeof waybill === "string" || waybill instanceof Waybill ? this.data.open(waybill) : this.data.openJson(waybill);
  }

  /**
   * Makes this process an owner of tensors, reachable over HTTP: what it sends by reference stays here until it is read. For
   * long-lived clients on Node, Bun and Deno; others upload to a node instead.
   */
  async serveTensors(options: ServeTensorsOptions = {}): Promise<ServedTensors> {
    if (this.#served !== undefined) {
      throw new ConnectError("Cannot serve tensors: this client serves them already", Code.FailedPrecondition);
    }
    this.#served = await serveTensors(this.bus, this.namespace, this.data, options);
    return this.#served;
  }

  /**
   * Keeps tensors in a store that someone else serves and closes: a worker's client uses its worker's.
   *
   * @param put keeps them elsewhere, where there is something better
   *
   * @internal
   */
  adoptStore(served: ServedTensors, put?: (tensor: Tensor, options: PutTensorOptions) => Promise<Waybill>): void {
    this.#served = { ...served, close: () => Promise.resolve() };
    this.#put = put;
  }

  /** Ends open calls with `canceled`, ends subscriptions to events, stops serving tensors, and closes the connection if `connect` made it. */
  async close(): Promise<void> {
    this.#events?.close();
    await this.#link.end();
    await this.data.close();
    await this.#served?.close();
    await this.#link.close();
  }

  /** The same as {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #store(tensor: Tensor, options: PutTensorOptions): Promise<Waybill> {
    if (this.#put !== undefined) return await this.#put(tensor, options);
    if (this.#served !== undefined) return await this.#served.store.put(tensor, options);
    return await upload(this.data, this.#link, tensor, options);
  }
}
