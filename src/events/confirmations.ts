import { Code, ConnectError } from "@connectrpc/connect";
import type { Bus } from "../bus/bus.ts";

/** One question to the broker, for all who have sent something before it. */
interface Round {
  /** What the broker refused since the first of them. */
  readonly refused: ConnectError[];
  readonly done: Promise<void>;
}

/** Tells when the broker has taken what was sent, and whether it refused it. */
export class Confirmations {
  readonly #bus: Bus;
  readonly #offStatus: () => void;
  #asking: Round | undefined;
  #next: Round | undefined;

  constructor(bus: Bus) {
    this.#bus = bus;
    this.#offStatus = bus.onStatus((status) => {
      if (status.type !== "error" || ConnectError.from(status.error).code !== Code.PermissionDenied) return;
      for (const round of [this.#asking, this.#next]) round?.refused.push(ConnectError.from(status.error));
    });
  }

  /**
   * Waits until the broker has taken what was published to a subject, or the subscription to it.
   *
   * @throws {ConnectError} `permission_denied` when the broker refuses it, `unavailable` when the connection breaks meanwhile
   */
  async confirm(subject: string): Promise<void> {
    const round = this.#next ??= this.#ask();
    await round.done;
    const refusal = round.refused.find(({ rawMessage }) => rawMessage.includes(`"${subject}"`));
    if (refusal !== undefined) throw refusal;
  }

  /** Stops listening to refusals. */
  close(): void {
    this.#offStatus();
  }

  #ask(): Round {
    const before = this.#asking?.done.catch(() => {});
    const flush = async () => {
      // Whoever asks while an answer is on its way may have sent something after the question.
      await before;
      this.#asking = this.#next;
      this.#next = undefined;
      await this.#bus.flush();
      // A refusal comes before the broker's answer, but the clients report it some microtasks later.
      await new Promise((resolve) => setTimeout(resolve));
    };
    const round: Round = {
      refused: [],
      done: flush().finally(() => {
        if (this.#asking === round) this.#asking = undefined;
      }),
    };
    return round;
  }
}
