import type { OperatorDeclaration } from "../../../gen/waybill/v1/discovery_pb.ts";
import type { Bus, BusMessage, BusSubscription } from "../../bus/bus.ts";
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

const stores = new WeakMap<Bus, MemoryStore>();

/** Queues within the process, for the memory bus: gone with it, so nothing is ever delivered twice. */
export class MemoryStore implements RequestStore {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #queues = new Map<string, Queue>();
  /** What was given up, newest last. */
  readonly deadLetters: { operator: string; reason: string; payload: Uint8Array }[] = [];

  /** The store that all workers on a bus share. */
  static over(bus: Bus, subjects: Subjects): MemoryStore {
    let store = stores.get(bus);
    if (store === undefined) stores.set(bus, store = new MemoryStore(bus, subjects));
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
    const version = asked === DEFAULT_VERSION_TOKEN ? escapeName(queue.declaration.defaultVersion) : asked;
    const entries = queue.waiting.get(version) ?? [];
    const limit = Number(queue.declaration.maxQueuedMessages) || 100_000;
    if (entries.length >= limit) return this.#acknowledge(message, { error: { description: "maximum messages exceeded" } });
    const entry = { seq: ++queue.seq, message, priority: Number(priority) || 0, storedAt: performance.now() };
    const before = entries.findIndex((other) => other.priority < entry.priority);
    entries.splice(before < 0 ? entries.length : before, 0, entry);
    queue.waiting.set(version, entries);
    this.#acknowledge(message, { stream: "memory", seq: entry.seq });
    this.#hand(operator, version);
  }

  #acknowledge(message: BusMessage, answer: unknown): void {
    // The caller's own inbox, as the broker does it: this store stands in for the broker here.
    if (message.reply !== undefined) this.#bus.publish(message.reply, new TextEncoder().encode(JSON.stringify(answer)));
  }

  #hand(operator: string, version: string): void {
    const queue = this.#queues.get(operator);
    const entries = queue?.waiting.get(version);
    if (queue === undefined || entries === undefined) return;
    for (const pull of queue.pulls) {
      while (pull.version === version && entries.length > 0 && pull.sink.free() > 0) {
        const { seq, message, storedAt } = entries.shift() as Entry;
        pull.sink.deliver({
          message,
          seq,
          deliveries: 1,
          get ageMs() {
            return performance.now() - storedAt;
          },
          progressSubject: undefined,
          acknowledge() {},
          confirm: () => Promise.resolve(),
        });
      }
    }
  }
}

function isOf(entry: Entry, caller: string, call: string): boolean {
  const frame = decodeCallerFrame(entry.message.header(FRAME_HEADER));
  return typeof frame === "object" && frame.caller === caller && frame.call === call;
}
