import { create } from "@bufbuild/protobuf";
import { createContextValues, createServiceImplSpec, type HandlerContext } from "@connectrpc/connect";
import { GRPCInferenceService } from "../../gen/inference/grpc_service_pb.ts";
import { type OperatorDeclaration, OperatorDeclarationSchema } from "../../gen/waybill/v1/discovery_pb.ts";
import { OperatorService } from "../../gen/waybill/v1/operator_pb.ts";
import type { Bus } from "../../src/bus/bus.ts";
import { connectBus } from "../../src/bus/connect.ts";
import { CallServer, methodsOf } from "../../src/rpc/call-server.ts";
import { Caller, type CallerOptions } from "../../src/rpc/caller.ts";
import { OperatorServer } from "../../src/rpc/operator-server.ts";
import { declareQueue } from "../../src/rpc/queue/declare-queue.ts";
import { callApi } from "../../src/rpc/queue/jetstream-api.ts";
import { JetStreamStore } from "../../src/rpc/queue/jetstream-store.ts";
import { DEAD_REASON_HEADER } from "../../src/rpc/queue/request-store.ts";
import { operatorRoute, type OperatorRouteOptions } from "../../src/rpc/route.ts";
import { Subjects } from "../../src/rpc/subjects.ts";
import { busCallOptions, BusTransport } from "../../src/rpc/transport.ts";
import { type Broker, type BrokerOptions, launchNatsServer } from "../../src/testing/nats-server.ts";

/** Unacknowledged for this long, a request goes to another worker: short, so that tests need not wait. */
export const ackWaitMs = 1_500;

/** What an operator of these tests does: takes a text, gives one. */
export interface Behaviour {
  infer?: (text: string, context: HandlerContext) => string | Promise<string>;
  stream?: (text: string, context: HandlerContext) => AsyncIterable<string>;
  converse?: (texts: AsyncIterable<string>, context: HandlerContext) => AsyncIterable<string>;
  maxInflight?: number;
  version?: string;
}

/** How one call is made. */
export interface CallChoice extends OperatorRouteOptions {
  timeoutMs?: number;
  signal?: AbortSignal;
  idempotencyKey?: string;
  idempotent?: boolean;
}

/** A worker without its comforts: slots, queue and calls alone. */
export interface BareWorker {
  readonly bus: Bus;
  readonly server: CallServer;
  readonly operator: OperatorServer;
  /** Goes away as a killed process does: says nothing. */
  crash(): Promise<void>;
  /** As a worker drains. */
  drain(drainMs?: number): Promise<void>;
}

/** A real broker with one operator's queue in it. */
export class QueueWorld {
  readonly broker: Broker;
  readonly subjects: Subjects;
  readonly control: Bus;
  declaration: OperatorDeclaration;
  readonly #closing: (() => Promise<unknown>)[] = [];

  private constructor(broker: Broker, control: Bus, namespace: string, declaration: OperatorDeclaration) {
    this.broker = broker;
    this.control = control;
    this.subjects = new Subjects(namespace);
    this.declaration = declaration;
  }

  /** Joins a broker, with an operator that is declared there. */
  static async join(broker: Broker, options: Partial<OperatorDeclaration> = {}): Promise<QueueWorld> {
    const control = await connectBus(broker.tcpUrl);
    const usual = {
      name: "op",
      versions: ["1"],
      defaultVersion: "1",
      maxAttempts: 3,
      priorities: 1,
      storage: "memory",
      ackWaitMs,
    };
    const declaration = Object.assign(create(OperatorDeclarationSchema, usual), options);
    const namespace = `t${crypto.randomUUID().slice(0, 8)}`;
    const world = new QueueWorld(broker, control, namespace, declaration);
    world.#closing.push(() => control.close());
    await declareQueue(control, world.subjects, declaration);
    return world;
  }

  async close(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close().catch(() => {});
  }

  async worker(behaviour: Behaviour): Promise<BareWorker> {
    const bus = await connectBus(this.broker.tcpUrl, { reconnectWaitMs: 50 });
    const server = new CallServer(bus, { namespace: this.subjects.namespace });
    const store = new JetStreamStore(bus, this.subjects, server.instance);
    const { infer = (text) => text, stream, converse, maxInflight = 5, version = "1" } = behaviour;
    const operator = new OperatorServer(server, store, {
      declaration: this.declaration,
      version,
      maxInflight,
      declare: () => Promise.resolve(this.declaration),
      methods: methodsOf(
        createServiceImplSpec<typeof GRPCInferenceService>(GRPCInferenceService, {
          modelInfer: async ({ id }, context) => ({ id: await infer(id, context) }),
          modelStreamInfer: async function* (requests, context) {
            for await (const id of converse?.(textsOf(requests), context) ?? []) yield { inferResponse: { id } };
          },
        }),
        createServiceImplSpec<typeof OperatorService>(OperatorService, {
          inferStream: async function* ({ id }, context) {
            for await (const text of stream?.(id, context) ?? []) yield { id: text };
          },
        }),
      ),
    });
    await store.declare(this.declaration);
    await operator.start();
    await bus.flush();
    const crash = async () => {
      await store.close();
      await bus.close();
      await server.beats.close();
    };
    const drain = async (drainMs = 5_000) => {
      await operator.stopTaking();
      const until = performance.now() + drainMs;
      do await server.drain(Math.max(0, until - performance.now())); while (
        (server.running > 0 || operator.held > 0) && performance.now() < until
      );
      operator.close();
      await bus.flush();
      await crash();
    };
    this.#closing.push(crash);
    return { bus, server, operator, crash, drain };
  }

  async caller(options: Partial<CallerOptions> = {}, url: string = this.broker.tcpUrl): Promise<QueueCaller> {
    const bus = await connectBus(url, { reconnectWaitMs: 50 });
    const caller = new Caller(bus, { namespace: this.subjects.namespace, ...options });
    this.#closing.push(async () => {
      await caller.close();
      await bus.close();
    });
    return new QueueCaller(caller, this.declaration.name);
  }

  /** Messages in the operator's queue, delivered or not. */
  async stored(): Promise<number> {
    const stream = this.subjects.queueStream(this.declaration.name);
    return (await callApi<{ state: { messages: number } }>(this.control, `STREAM.INFO.${stream}`)).state.messages;
  }

  /** What was given up, with its reason. */
  async deadLetters(): Promise<{ reason: string; payload: Uint8Array }[]> {
    const stream = this.subjects.deadLetterStream();
    type Info = { state: { messages: number; first_seq: number; last_seq: number } };
    const { state } = await callApi<Info>(this.control, `STREAM.INFO.${stream}`);
    const letters: { reason: string; payload: Uint8Array }[] = [];
    for (let seq = state.first_seq; state.messages > 0 && seq <= state.last_seq; seq++) {
      type Letter = { message: { data?: string; hdrs: string } };
      const { message } = await callApi<Letter>(this.control, `STREAM.MSG.GET.${stream}`, { seq });
      const reason = new RegExp(`${DEAD_REASON_HEADER}: (\\S+)`).exec(atob(message.hdrs))?.[1] ?? "";
      letters.push({ reason, payload: Uint8Array.from(atob(message.data ?? ""), (char) => char.charCodeAt(0)) });
    }
    return letters;
  }
}

/** Calls the operator of a {@linkcode QueueWorld}. */
export class QueueCaller {
  readonly caller: Caller;
  readonly #operator: string;

  constructor(caller: Caller, operator: string) {
    this.caller = caller;
    this.#operator = operator;
  }

  async infer(text: string, choice: CallChoice = {}): Promise<string> {
    const { signal, timeoutMs = 30_000 } = choice;
    const method = GRPCInferenceService.method.modelInfer;
    const answer = await this.#transport(choice).unary(method, signal, timeoutMs, undefined, { id: text }, values(choice));
    return answer.message.id;
  }

  /** The same, and which attempt answered, of which instance. */
  async inferInfo(text: string, choice: CallChoice = {}): Promise<{ text: string; attempt: number; instance: string }> {
    const method = GRPCInferenceService.method.modelInfer;
    const timeoutMs = choice.timeoutMs ?? 30_000;
    const answer = await this.#transport(choice).unary(method, choice.signal, timeoutMs, undefined, { id: text });
    const { attempt, instance } = answer as typeof answer & { attempt: number; instance: string };
    return { text: answer.message.id, attempt, instance };
  }

  async *stream(text: string, choice: CallChoice = {}): AsyncGenerator<string> {
    const { signal, timeoutMs = 30_000 } = choice;
    const input = (async function* () {
      yield { id: text };
    })();
    const method = OperatorService.method.inferStream;
    const answer = await this.#transport(choice).stream(method, signal, timeoutMs, undefined, input);
    for await (const { id } of answer.message) yield id;
  }

  /** Sends texts, and yields what comes back. */
  async *converse(texts: AsyncIterable<string>, choice: CallChoice = {}): AsyncGenerator<string> {
    const { signal, timeoutMs = 30_000 } = choice;
    const requests = (async function* () {
      for await (const id of texts) yield { id };
    })();
    const method = GRPCInferenceService.method.modelStreamInfer;
    const answer = await this.#transport(choice).stream(method, signal, timeoutMs, undefined, requests);
    for await (const { inferResponse } of answer.message) yield inferResponse?.id ?? "";
  }

  async post(text: string, choice: CallChoice = {}): Promise<void> {
    const method = GRPCInferenceService.method.modelInfer;
    const { signal, timeoutMs } = choice;
    await this.#transport(choice).post(method, { id: text }, { signal, timeoutMs, contextValues: values(choice) });
  }

  #transport(choice: CallChoice): BusTransport {
    return new BusTransport({ caller: this.caller, route: operatorRoute(this.caller.subjects, this.#operator, choice) });
  }
}

async function* textsOf(requests: AsyncIterable<{ id: string }>): AsyncGenerator<string> {
  for await (const { id } of requests) yield id;
}

function values({ idempotencyKey, idempotent }: CallChoice) {
  return createContextValues().set(busCallOptions, { idempotencyKey, idempotent });
}

/** Starts one broker for a file. */
export function startBroker(options?: BrokerOptions): Promise<Broker> {
  return launchNatsServer(options);
}
