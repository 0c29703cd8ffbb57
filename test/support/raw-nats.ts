import { connect, type Socket } from "node:net";

/** A connection that speaks NATS's own protocol, so that what is tried is what the broker sees. */
export class RawNats {
  readonly #socket: Socket;
  #text = "";
  #sids = 0;
  readonly #waiting: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      this.#text += text;
      for (const wake of this.#waiting.splice(0)) wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#text += "\r\nCLOSED\r\n";
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  /** Connects with credentials, as fields of NATS's `CONNECT`; fails with what the broker says. */
  static async open(url: string, credentials: Readonly<Record<string, string>>): Promise<RawNats> {
    const { port } = new URL(url);
    const raw = new RawNats(connect({ host: "127.0.0.1", port: Number(port) }));
    const options = { verbose: false, pedantic: false, headers: true, no_responders: true, lang: "test", version: "0" };
    raw.write(`CONNECT ${JSON.stringify({ ...options, ...credentials })}\r\n`);
    const seen = await raw.sync();
    const refusal = /-ERR '([^']*)'/.exec(seen);
    if (refusal === null && !seen.includes("CLOSED")) return raw;
    raw.close();
    throw new Error(refusal?.[1] ?? "The connection was closed");
  }

  write(text: string): void {
    this.#socket.write(text);
  }

  /** Publishes, with a payload that means nothing. */
  publish(subject: string, reply: string = ""): void {
    this.write(`PUB ${subject} ${reply} 2\r\n{}\r\n`);
  }

  subscribe(subject: string, queue: string = ""): void {
    this.write(`SUB ${subject} ${queue} ${++this.#sids}\r\n`);
  }

  /** What has come since the last time, once the broker has dealt with all that was sent. */
  async sync(): Promise<string> {
    this.write("PING\r\n");
    while (!/(^|\n)PONG\r\n|CLOSED/.test(this.#text)) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const text = this.#text;
    this.#text = "";
    return text;
  }

  /** Of some subjects, those that the broker lets this user publish or subscribe to. */
  async permitted(operation: "publish" | "subscribe", subjects: readonly string[]): Promise<string[]> {
    for (const subject of subjects) operation === "publish" ? this.publish(subject) : this.subscribe(subject);
    const said = [...(await this.sync()).matchAll(/Permissions Violation for (?:Publish|Subscription) to "([^"]+)"/g)];
    const refused = new Set(said.map(([, subject]) => subject));
    return subjects.filter((subject) => !refused.has(subject));
  }

  close(): void {
    this.#socket.destroy();
  }
}
