import { Code, ConnectError } from "@connectrpc/connect";
import type { OperatorDeclaration } from "../../../gen/waybill/v1/discovery_pb.ts";
import type { Bus, BusMessage } from "../../bus/bus.ts";
import { type Logger, silentLogger } from "../../bus/logger.ts";
import { type CallerFrame, FRAME_HEADER, META_HEADER } from "../frame.ts";
import { ownedId, randomId } from "../ids.ts";
import type { Subjects } from "../subjects.ts";
import { parseAckSubject } from "./ack-subject.ts";
import { BrokerClock } from "./broker-clock.ts";
import { consumerName, declareQueue, prioritiesOf } from "./declare-queue.ts";
import { PriorityPuller } from "./priority-puller.ts";
import { Puller } from "./puller.ts";
import {
  DEAD_ATTEMPTS_HEADER,
  DEAD_REASON_HEADER,
  DEAD_SUBJECT_HEADER,
  type Pull,
  type PullSink,
  type RequestStore,
  type StoredRequest,
} from "./request-store.ts";
import { forgetAttempts, readAttempts, writeAttempt } from "./stored-attempts.ts";
import { sweepCancels } from "./stored-cancels.ts";
import { isStored, removeStored } from "./stored-requests.ts";

const CHECK_MS = 5_000;
const ACK = new TextEncoder().encode("+ACK");
const NAK = new TextEncoder().encode("-NAK");

/** How queues in the broker are kept. */
export interface JetStreamStoreOptions {
  /** Default: silent. */
  logger?: Logger;
}

/** Queues in the broker: one work-queue stream per operator, one durable consumer per version and priority. */
export class JetStreamStore implements RequestStore {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #inbox: string;
  readonly #logger: Logger;
  readonly #clock: BrokerClock;
  readonly #pullers = new Set<Puller>();
  readonly #priorityPullers = new Map<PriorityPuller, PullSink>();
  readonly #offStatus: () => void;
  readonly #timer: ReturnType<typeof setInterval>;

  /** @param instance whose answers subject also takes deliveries: `wb.<namespace>.r.<instance>.pull.<random>` */
  constructor(bus: Bus, subjects: Subjects, instance: string, options: JetStreamStoreOptions = {}) {
    this.#bus = bus;
    this.#subjects = subjects;
    this.#logger = options.logger ?? silentLogger;
    this.#inbox = `${subjects.answers(ownedId(bus.owner, instance))}pull.`;
    this.#clock = new BrokerClock(bus, subjects.deadLetterStream());
    this.#offStatus = bus.onStatus((status) => {
      if (status.type !== "reconnect") return;
      for (const puller of this.#pullers) puller.reset();
      // A broker that came back without its queue wakes nobody.
      for (const [puller, sink] of this.#priorityPullers) void sink.repaired().then(() => puller.demand());
    });
    this.#timer = setInterval(() => {
      for (const puller of this.#pullers) puller.check();
    }, CHECK_MS);
  }

  async declare(declaration: OperatorDeclaration): Promise<void> {
    await declareQueue(this.#bus, this.#subjects, declaration);
    await this.#clock.measure();
  }

  open(declaration: OperatorDeclaration, version: string, sink: PullSink): Pull {
    const stream = this.#subjects.queueStream(declaration.name);
    const common = {
      inbox: this.#inbox,
      stream,
      free: () => sink.free(),
      deliver: (message: BusMessage) => {
        const request = this.#stored(message, stream);
        if (request !== undefined) sink.deliver(request);
      },
      repair: () =>
        this.#untilLost(async () => {
          await this.declare(await sink.declare());
          await sink.repaired();
        }),
    };
    if (declaration.priorities > 1) {
      const puller = new PriorityPuller(this.#bus, {
        ...common,
        wake: this.#subjects.wake(declaration.name, version),
        consumers: prioritiesOf(declaration).map((priority) => consumerName(version, priority)).reverse(),
      });
      this.#priorityPullers.set(puller, sink);
      return { demand: () => puller.demand(), stop: () => (this.#priorityPullers.delete(puller), puller.stop()) };
    }
    const puller = new Puller(this.#bus, { ...common, consumer: consumerName(version, 0) });
    this.#pullers.add(puller);
    return { demand: () => puller.demand(), stop: () => (this.#pullers.delete(puller), puller.stop()) };
  }

  remove(operator: string, seq: number, caller: string, call: string): Promise<boolean> {
    return removeStored(this.#bus, this.#subjects, { operator, seq, caller, call });
  }

  attempts(operator: string, frame: CallerFrame): Promise<number> {
    return readAttempts(this.#bus, this.#subjects, operator, frame);
  }

  countAttempt(operator: string, frame: CallerFrame, attempt: number): Promise<void> {
    return writeAttempt(this.#bus, this.#subjects, operator, frame, attempt);
  }

  forgetAttempts(operator: string, frame: CallerFrame): Promise<void> {
    return forgetAttempts(this.#bus, this.#subjects, operator, frame);
  }

  async sweep(operator: string, unnumbered: (frame: CallerFrame) => void): Promise<void> {
    await sweepCancels(this.#bus, this.#subjects, operator, async (frame) => {
      if (frame.seq === 0) unnumbered(frame);
      else await this.remove(operator, frame.seq, frame.caller, frame.call);
      return frame.seq > 0;
    });
  }

  has(operator: string, seq: number, caller: string, call: string): Promise<boolean> {
    return isStored(this.#bus, this.#subjects, { operator, seq, caller, call });
  }

  async bury(operator: string, { message }: StoredRequest, reason: string, attempts: number): Promise<void> {
    const headers: Record<string, string> = {
      [DEAD_REASON_HEADER]: reason,
      [DEAD_SUBJECT_HEADER]: message.subject,
      [DEAD_ATTEMPTS_HEADER]: String(attempts),
      "Nats-Msg-Id": randomId(),
    };
    for (const name of [FRAME_HEADER, META_HEADER]) {
      const value = message.header(name);
      if (value !== undefined) headers[name] = value;
    }
    await this.#bus.request(this.#subjects.deadLetters(operator), message.payload, { headers });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#offStatus();
    await Promise.all([...this.#pullers].map((puller) => puller.stop()));
  }

  /**
   * Does something that has to be done over when the connection is lost meanwhile: what was asked of a broker that is gone is not
   * answered by the one that comes back, and waiting for it in vain would keep the worker from its queue for seconds.
   */
  #untilLost(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const off = this.#bus.onStatus(({ type }) => {
        if (type === "disconnect") reject(new ConnectError("Cannot repair a queue: the connection is lost", Code.Unavailable));
      });
      work().finally(off).then(resolve, reject);
    });
  }

  #stored(message: BusMessage, stream: string): StoredRequest | undefined {
    const subject = message.reply;
    const facts = parseAckSubject(subject);
    // Acknowledgements go where the message says: only to where the broker's own deliveries of this queue do.
    if (subject === undefined || facts?.stream !== stream) {
      this.#logger.warn("Dropped a delivery that the broker did not make", { subject: message.subject });
      return undefined;
    }
    const bus = this.#bus;
    const clock = this.#clock;
    return {
      message,
      seq: facts.seq,
      deliveries: facts.deliveries,
      get ageMs() {
        // The two clocks are told apart by half a round trip: nothing is younger than new.
        return Math.max(0, clock.nowMs() - facts.storedAtMs);
      },
      progressSubject: subject,
      acknowledge: () => bus.publish(subject, ACK),
      release: () => bus.publish(subject, NAK),
      confirm: async () => void await bus.request(subject, ACK),
    };
  }
}
