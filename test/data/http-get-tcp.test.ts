import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HttpGet, HttpGetAnswer, HttpGetRequest } from "../../src/data/http-get.ts";
import { tcpGet } from "../../src/data/http-get-tcp.ts";
import { HttpHead } from "../../src/data/http-head.ts";
import { testUnless } from "../support/skip.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const reason = "Deno" in globalThis ? "Deno's own fetch is used there" : undefined;

interface Fake {
  /** Gets `length` bytes. */
  get(length: number, more?: Partial<HttpGetRequest>): Promise<HttpGetAnswer>;
  /** Requests as they came, each with the number of its connection. */
  readonly seen: { readonly connection: number; readonly head: string }[];
  /** URLs that were left to the other client. */
  readonly passedOn: string[];
}

/** Runs a server that answers each request as it is told: `answer` gets the request's number and the socket. */
async function withServer(answer: (number: number, socket: Socket) => void, use: (fake: Fake) => Promise<void>): Promise<void> {
  const seen: Fake["seen"] = [];
  const passedOn: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    const connection = connections++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (data: Uint8Array) => {
      seen.push({ connection, head: textOf(data) });
      answer(seen.length - 1, socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const other: HttpGet = ({ url }) => {
    passedOn.push(url);
    return Promise.resolve({ status: 200, bytes: bytesOf("other") });
  };
  const client = tcpGet(other)!;
  const get = (length: number, more: Partial<HttpGetRequest> = {}) =>
    client.get({
      url: `http://127.0.0.1:${port}/a%20b?c`,
      headers: { x: "1" },
      length,
      signal: undefined,
      stallMs: 5_000,
      ...more,
    });
  try {
    await use({ get, seen, passedOn });
  } finally {
    client.close();
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

async function failure(work: Promise<unknown>): Promise<ConnectError> {
  try {
    await work;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("It did not fail");
}

const ok = (body: string, more = "") => `HTTP/1.1 200 OK\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;

describe("the head of an HTTP answer", () => {
  test("is read whole however it is cut, and leaves what follows", () => {
    const text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 Partial\r\ncontent-LENGTH: 7\r\nX: y:z\r\n\r\nabc";
    for (let cut = 0; cut < text.length - 3; cut++) {
      const head = new HttpHead();
      const first = head.push(bytesOf(text.slice(0, cut)));
      const rest = first ?? head.push(bytesOf(text.slice(cut)));
      expect([textOf(rest!), head.status, head.contentLength, head.keepAlive]).toEqual(["abc", 206, 7, true]);
    }
  });

  test("says when the connection ends with the answer, and when the length is unknown", () => {
    const read = (text: string) => {
      const head = new HttpHead();
      head.push(bytesOf(`${text}\r\n\r\n`));
      return [head.status, head.contentLength, head.keepAlive];
    };
    expect(read("HTTP/1.0 200 OK\r\ncontent-length: 1")).toEqual([200, 1, false]);
    expect(read("HTTP/1.1 200 OK\r\nConnection: Close\r\ncontent-length: 1")).toEqual([200, 1, false]);
    expect(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")).toEqual([200, undefined, true]);
    expect(read("HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncontent-encoding: gzip")).toEqual([200, undefined, true]);
    expect(read("HTTP/1.1 204 No Content")).toEqual([204, 0, true]);
    expect(read("HTTP/1.1 200")).toEqual([200, undefined, true]);
  });

  test("is refused when it is none, too long, or of two lengths", () => {
    const texts = [
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/2 200\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
      "x".repeat(20_000),
    ];
    for (const text of texts) expect(() => new HttpHead().push(bytesOf(text))).toThrow("Cannot fetch a tensor over HTTP");
  });
});

describe("GET over plain TCP", () => {
  testUnless(reason, "keeps its connection, and sends what it was told to", async () => {
    await withServer((number, socket) => socket.write(ok(`body${number}`)), async ({ get, seen, passedOn }) => {
      for (const number of [0, 1, 2]) expect(await get(5)).toEqual({ status: 200, bytes: bytesOf(`body${number}`) });
      expect(seen.map(({ connection }) => connection)).toEqual([0, 0, 0]);
      expect(seen[0]?.head).toMatch(/^GET \/a%20b\?c HTTP\/1\.1\r\nhost: 127\.0\.0\.1:\d+\r\nx: 1\r\n\r\n$/);
      expect(passedOn).toEqual([]);
    });
  });

  testUnless(
    reason,
    "opens a connection for each request at once, and reads bodies that come in pieces or are empty",
    async () => {
      const trickle = (number: number, socket: Socket) => {
        const text = number === 2 ? ok("") : ok("abcdef");
        for (const [index, letter] of [...text].entries()) setTimeout(() => socket.write(letter), index / 10);
      };
      await withServer(trickle, async ({ get, seen }) => {
        const answers = await Promise.all([get(6), get(6), get(0)]);
        expect(answers.map(({ bytes }) => textOf(bytes))).toEqual(["abcdef", "abcdef", ""]);
        expect(new Set(seen.map(({ connection }) => connection)).size).toBe(3);
      });
    },
  );

  testUnless(reason, "gives other statuses without their bodies, and goes on after them", async () => {
    const answers = [
      "HTTP/1.1 403 Forbidden\r\ncontent-length: 4\r\n\r\nnope",
      "HTTP/1.1 500 Oops\r\n\r\nfor ever",
      ok("good"),
    ];
    await withServer((number, socket) => socket.write(answers[number]!), async ({ get, seen }) => {
      expect(await get(4)).toEqual({ status: 403, bytes: new Uint8Array(0) });
      expect(await get(4)).toEqual({ status: 500, bytes: new Uint8Array(0) });
      expect(textOf((await get(4)).bytes)).toBe("good");
      // The second answer had no end: its connection is not used again.
      expect(seen.map(({ connection }) => connection)).toEqual([0, 0, 1]);
    });
  });

  testUnless(reason, "refuses a length other than the tensor's, bodies cut short, and anything that is no HTTP", async () => {
    const answers = [ok("toolong"), "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab", "hello\r\n\r\n", ok("abcd") + "more"];
    const end = (number: number, socket: Socket) => void socket.write(answers[number]!, () => number === 1 && socket.end());
    await withServer(end, async ({ get, seen }) => {
      expect((await failure(get(4))).rawMessage).toContain("4 bytes must come, got 7");
      expect((await failure(get(4))).rawMessage).toContain("4 bytes must come, got 2");
      expect((await failure(get(4))).code).toBe(Code.Unavailable);
      expect((await failure(get(4))).rawMessage).toContain("4 bytes must come, got 8 or more");
      expect(seen.map(({ connection }) => connection)).toEqual([0, 1, 2, 3]);
    });
  });

  testUnless(reason, "leaves to the other client what it does not read, and what was lost with a kept connection", async () => {
    const answer = (number: number, socket: Socket) => {
      if (number === 0) socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
      else if (number === 1) socket.write(ok("kept"));
      else socket.destroy();
    };
    await withServer(answer, async ({ get, passedOn }) => {
      expect(textOf((await get(5)).bytes)).toBe("other");
      expect(textOf((await get(4)).bytes)).toBe("kept");
      expect(textOf((await get(5)).bytes)).toBe("other");
      expect(textOf((await get(5, { url: "https://127.0.0.1:1/" })).bytes)).toBe("other");
      expect(passedOn).toHaveLength(3);
      // A new connection that answers nothing is a failure of the owner's, not of a kept connection.
      expect((await failure(get(4))).rawMessage).toContain("4 bytes must come, got 0");
    });
  });

  testUnless(reason, "gives up after silence and when aborted, and does not use that connection again", async () => {
    const answer = (number: number, socket: Socket) => void (number === 2 && socket.write(ok("good")));
    await withServer(answer, async ({ get, seen }) => {
      expect((await failure(get(4, { stallMs: 100 }))).rawMessage).toContain("bytes must come every 100 ms");
      const controller = new AbortController();
      const waiting = failure(get(4, { signal: controller.signal }));
      setTimeout(() => controller.abort(), 50);
      expect((await waiting).code).toBe(Code.Canceled);
      expect(textOf((await get(4)).bytes)).toBe("good");
      expect(seen.map(({ connection }) => connection)).toEqual([0, 1, 2]);
    });
  });

  testUnless(reason, "fails at once where nobody listens", async () => {
    const client = tcpGet(() => Promise.reject(new Error("Asked")))!;
    const request = { url: "http://127.0.0.1:1/", headers: {}, length: 1, signal: undefined, stallMs: 5_000 };
    await expect(client.get(request)).rejects.toThrow(/ECONNREFUSED|Failed to connect/);
    client.close();
  });
});
