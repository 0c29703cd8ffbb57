import type { OperatorDeclaration } from "../../../gen/waybill/v1/discovery_pb.ts";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus, BusMessage, BusSubscription } from "../../bus/bus.ts";
import { connectMemory } from "../../bus/memory.ts";
import { MemoryBroker } from "../../bus/memory-broker.ts";
import { decodeCallerFrame, FRAME_HEADER } from "../frame.ts";
import { escapeName } from "../names.ts";
import { DEFAULT_VERSION_TOKEN, type Subjects } from "../subjects.ts";
import type { Pull, PullSink, RequestStore, StoredRequest } from "./request-store.ts";

interface Entry {
  readonly seq: number;
  readonly message: BusMessage;
  readonly priority: number;
  readonly storedAt: number;
}

interface Queue {
  readonly declaration: OperatorDeclaration;
  readonly subscription: BusSubscription;
  /** By version, each in order of arrival. */
  readonly waiting: Map<string, Entry[]>;
  readonly pulls: Set<{ version: string; sink: PullSink }>;
  seq: number;
}

const stores = new WeakMap<MemoryBroker, Map<string, MemoryStore>>();

/**
 * Queues within the process, one store for all that are connected to one memory broker: gone with it, so that nothing is ever
 * delivered twice.
 */
export class MemoryStore implements RequestStore {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #queues = new Map<string, Queue>();
  /** What was given up, newest last. */
  readonly deadLetters: { operator: string; reason: string; payload: Uint8Array }[] = [];

  /**
   * The store that all workers on a memory broker share.
   *
   * @throws {ConnectError} `failed_precondition` for a bus of another kind
   */
  static over(bus: Bus, subjects: Subjects): MemoryStore {
    const broker = "broker" in bus ? bus.broker : undefined;
    if (!(broker instanceof MemoryBroker)) {
      throw new ConnectError("Cannot keep queues: the broker stores nothing, enable JetStream", Code.FailedPrecondition);
    }
    const ofBroker = stores.get(broker) ?? new Map<string, MemoryStore>();
    stores.set(broker, ofBroker);
    let store = ofBroker.get(subjects.namespace);
    // A connection of its own: those of workers come and go.
    if (store === undefined) ofBroker.set(subjects.namespace, store = new MemoryStore(connectMemory(broker), subjects));
    return store;
  }

  constructor(bus: Bus, subjects: Subjects) {
    this.#bus = bus;
    this.#subjects = subjects;
  }

  declare(declaration: OperatorDeclaration): Promise<void> {
    const before = this.#queues.get(declaration.name);
    if (before === undefined) {
      const subject = this.#subjects.queueAll(declaration.name);
      const subscription = this.#bus.subscribe(subject, (message) => this.#onRequest(declaration.name, message));
      // As long as the queue: nobody closes it.
      this.#bus.subscribe(this.#subjects.canceledOf(declaration.name), (message) => {
        const frame = decodeCallerFrame(message.header(FRAME_HEADER));
        if (typeof frame === "object") void this.remove(declaration.name, frame.seq, frame.caller, frame.call);
      });
      this.#queues.set(declaration.name, { declaration, subscription, waiting: new Map(), pulls: new Set(), seq: 0 });
    } else this.#queues.set(declaration.name, { ...before, declaration });
    return Promise.resolve();
  }

  open(declaration: OperatorDeclaration, version: string, sink: PullSink): Pull {
    const queue = this.#queue(declaration.name);
    const pull = { version: escapeName(version), sink };
    queue.pulls.add(pull);
    const demand = () => queueMicrotask(() => this.#hand(declaration.name, pull.version));
    demand();
    return { demand, stop: () => (queue.pulls.delete(pull), Promise.resolve()) };
  }

  remove(operator: string, seq: number, caller: string, call: string): Promise<boolean> {
    for (const entries of this.#queues.get(operator)?.waiting.values() ?? []) {
      const index = entries.findIndex((entry) => entry.seq === seq && isOf(entry, caller, call));
      if (index >= 0) {
        entries.splice(index, 1);
        return Promise.resolve(true);
      }
    }
    return Promise.resolve(false);
  }

  attempts(): Promise<number> {
    return Promise.resolve(1);
  }

  countAttempt(): Promise<void> {
    return Promise.resolve();
  }

  forgetAttempts(): Promise<void> {
    return Promise.resolve();
  }

  sweep(): Promise<void> {
    // It heard every cancel itself.
    return Promise.resolve();
  }

  has(operator: string, seq: number, caller: string, call: string): Promise<boolean> {
    const waiting = [...this.#queues.get(operator)?.waiting.values() ?? []].flat();
    return Promise.resolve(waiting.some((entry) => entry.seq === seq && isOf(entry, caller, call)));
  }

  bury(operator: string, request: StoredRequest, reason: string): Promise<void> {
    this.deadLetters.push({ operator, reason, payload: request.message.payload });
    return Promise.resolve();
  }

  close(): Promise<void> {
    // Workers come and go; the queues stay with the bus, as they would with a broker.
    return Promise.resolve();
  }

  #queue(operator: string): Queue {
    const queue = this.#queues.get(operator);
    if (queue === undefined) throw new Error(`Cannot pull from "${operator}": it was not declared`);
    return queue;
  }

  #onRequest(operator: string, message: BusMessage): void {
    const queue = this.#queue(operator);
    const [, , , , asked = "", priority = "0"] = message.subject.split(".");
    const { declaration } = queue;
    const version = asked === DEFAULT_VERSION_TOKEN ? escapeName(declaration.defaultVersion) : asked;
    const known = declaration.versions.some((declared) => escapeName(declared) === version);
    // As the broker, it takes only what is declared.
    if (!known || Number(priority) >= Math.max(1, declaration.priorities)) return;
    const entries = queue.waiting.get(version) ?? [];
    const limit = Number(declaration.maxQueuedMessages) || 100_000;
    if (entries.length >= limit) return this.#acknowledge(message, { error: { description: "maximum messages exceeded" } });
    const entry = { seq: ++queue.seq, message, priority: Number(priority) || 0, storedAt: performance.now() };
    insert(entries, entry);
    queue.waiting.set(version, entries);
    this.#acknowledge(message, { stream: "memory", seq: entry.seq });
    this.#hand(operator, version);
  }

  #acknowledge(message: BusMessage, answer: unknown): void {
    // The caller's own inbox, as the broker does it: this store stands in for the broker here.
    if (message.reply !== undefined) this.#bus.publish(message.reply, new TextEncoder().encode(JSON.stringify(answer)));
  }

  #putBack(operator: string, version: string, entry: Entry): void {
    insert(this.#queue(operator).waiting.get(version) ?? [], entry);
    this.#hand(operator, version);
  }

  #hand(operator: string, version: string): void {
    const queue = this.#queues.get(operator);
    const entries = queue?.waiting.get(version);
    if (queue === undefined || entries === undefined) return;
    for (const pull of queue.pulls) {
      while (pull.version === version && entries.length > 0 && pull.sink.free() > 0) {
        const { seq, message, priority, storedAt } = entries.shift() as Entry;
        pull.sink.deliver({
          message,
          seq,
          deliveries: 1,
          get ageMs() {
            return performance.now() - storedAt;
          },
          progressSubject: undefined,
          acknowledge() {},
          release: () => this.#putBack(operator, version, { seq, message, priority, storedAt }),
          confirm: () => Promise.resolve(),
        });
      }
    }
  }
}

/** The highest priority first, within one in order of arrival. */
function insert(entries: Entry[], entry: Entry): void {
  const before = entries.findIndex(({ priority, seq }) =>
    priority < entry.priority || (priority === entry.priority && seq > entry.seq)
  );
  entries.splice(before < 0 ? entries.length : before, 0, entry);
}

function isOf(entry: Entry, caller: string, call: string): boolean {
  const frame = decodeCallerFrame(entry.message.header(FRAME_HEADER));
  return typeof frame === "object" && frame.caller === caller && frame.call === call;
}
